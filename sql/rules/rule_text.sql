-- What a value of a named kind must be, in words: result.rule of an LG001.
create or replace function ledger_private.rule_text(p_kind text)
returns text
language sql
immutable
parallel safe
return case p_kind
  when 'id' then 'must be a text of 1 to 200 characters without control characters'
  when 'text' then 'must be a text of at most 10000 characters'
  when 'count' then 'must be a whole number from 0 to 9007199254740991'
  when 'whole' then 'must be a whole number from -9007199254740991 to 9007199254740991'
  when 'money' then 'must be a number or decimal text from 0 to below 10^15 with at most 12 decimals'
  when 'change' then 'must be a number or decimal text between -10^15 and 10^15 with at most 12 decimals'
  when 'rate' then 'must be a number or decimal text of dollars per million from 0 to below 10^12 with at most 6 decimals'
  when 'match' then 'must be exact, dated, prefix or contains'
  when 'token_class' then 'must be input, cache_read, cache_write, cache_write_1h, output, reasoning or request'
  when 'duration_ms' then 'must be a whole number of milliseconds from 1 to 315360000000'
  when 'small' then 'must be a whole number from 0 to 2147483647'
  when 'flag' then 'must be true or false'
  when 'score' then 'must be a finite number'
  when 'json' then 'must be JSON other than null of at most 100000 bytes'
  when 'tool_calls' then 'must be a list of at most 1000 tools: texts of at most 200 characters, or objects of name, id?, '
    || 'arguments? (sha256:<64 hex digits, in lower case>) and status? (ok or error)'
  when 'tool_results' then 'must be a list of at most 1000 objects of id (of the tool call) and status (ok or error)'
  when 'tool_status' then 'must be ok or error'
  when 'tags' then 'must be at most 16 pairs of short texts: keys up to 64, values up to 256 characters'
  when 'instant' then 'must be an ISO 8601 instant with a time zone'
  when 'outcome' then 'must be done or down'
  when 'digest' then 'must be a text of the form sha256:<64 hex digits, in lower case>'
  when 'purpose' then 'must be turn, compaction, failed or tool'
  when 'unknown_usd' then 'must be seal or flag'
  when 'token_charge' then 'must be total or uncached'
  when 'replicate' then 'must be a short text or a whole number'
  when 'own' then 'is a channel of its own, not a resource'
  when 'lines' then 'must be a list of 1 to 1000 lines'
end;
