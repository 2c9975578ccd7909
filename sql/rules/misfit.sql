-- The first place where a JSON object does not have a shape (ledger_private.shape): {path, rule}, or null where it fits.
create or replace function ledger_private.misfit(
  p_value jsonb,
  p_shape jsonb,
  p_path text,
  p_common jsonb default '{}'
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_key text;
  v_item jsonb;
  v_kind jsonb;
  v_misfit jsonb;
begin
  if jsonb_typeof(p_value) <> 'object' then
    return jsonb_build_object('path', rtrim(p_path, '.'), 'rule', 'must be an object');
  end if;
  if p_shape ? '*' and (select count(*) > 64 from jsonb_object_keys(p_value)) then
    return jsonb_build_object('path', rtrim(p_path, '.'), 'rule', 'takes at most 64 names');
  end if;
  for v_key, v_item in select e.key, e.value from jsonb_each(p_value) e loop
    v_kind := coalesce(p_shape -> v_key, p_common -> v_key, p_shape -> '*');
    if v_kind is null or v_key in ('!', '*') or (p_shape ? '*' and not ledger_private.fits('id', to_jsonb(v_key))) then
      return jsonb_build_object('path', p_path || v_key, 'rule', 'is not a key here');
    elsif jsonb_typeof(v_kind) = 'object' then
      v_misfit := ledger_private.misfit(v_item, v_kind, p_path || v_key || '.');
    elsif v_kind = '"spend"' then
      v_misfit := ledger_private.misfit(v_item, ledger_private.shape('spend'), p_path || v_key || '.');
    elsif not ledger_private.fits(v_kind #>> '{}', v_item) then
      v_misfit := jsonb_build_object('path', p_path || v_key, 'rule', ledger_private.rule_text(v_kind #>> '{}'));
    end if;
    if v_misfit is not null then
      return v_misfit;
    end if;
  end loop;
  for v_key in select e.name from jsonb_array_elements_text(p_shape -> '!') e (name) where not p_value ? e.name loop
    return jsonb_build_object('path', p_path || v_key, 'rule', 'is required');
  end loop;
  return null;
end;
$$;
