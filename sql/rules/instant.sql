-- The instant an ISO 8601 text with a zone names; null where it names none. A text without zone would mean another time in another session.
create or replace function ledger_private.instant(p_text text)
returns timestamptz
language plpgsql
immutable
strict
parallel safe
as $$
begin
  if p_text !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$' then
    return null;
  end if;
  return p_text::timestamptz;
exception when datetime_field_overflow or invalid_datetime_format or invalid_time_zone_displacement_value then
  return null;
end;
$$;
