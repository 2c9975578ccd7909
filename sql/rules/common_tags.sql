-- Whether tags are as most are: few and short texts, nothing that JSON escapes. What has 70 characters in all has no key above 64, and not 16 of
-- them. Null of null. Part of ledger_private.common_meter.
create or replace function ledger_private.common_tags(p_tags jsonb)
returns boolean
language sql
immutable
parallel safe
return char_length(p_tags::text) <= 70 and p_tags::text ~ '^{("[^"\\[:cntrl:]]+": "[^"\\[:cntrl:]]*"[,}] ?)+$';
