-- pgledger (github.com/pgr0ss/pgledger), where its SQL file is given (in a checkout: the helpers in its vendor/
-- are loaded first): transfers between two hot accounts, one a call.

-- :account
select id from pgledger_create_account($1, 'USD')

-- :transfer
select id from pgledger_create_transfer($1, $2, $3)

-- :booked
select count(*)::text as transfers, (select (100 * max(balance))::bigint::text from pgledger_accounts) as cents from pgledger_transfers
