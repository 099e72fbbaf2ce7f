# Makes the checkout's role and database, and the role that keeps a ledger in it. Patroni runs it once, when the
# cluster is first made, with a connection string of the superuser as the only argument.
set -euo pipefail

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
  --set=password="$CHECKOUT_PASSWORD" --set=ledger="$LEDGER_PASSWORD" "$1" <<'SQL'
CREATE ROLE checkout LOGIN PASSWORD :'password';
CREATE DATABASE checkout OWNER checkout;

-- It owns one schema and can read nothing of the checkout's. Its limit leaves room for probes that hang: a drill's
-- three ways in, each with as many connections at once as time out in a second.
CREATE ROLE ledger LOGIN PASSWORD :'ledger' CONNECTION LIMIT 40;
-- Which replicas follow, and how far: a drill awaits all of them.
GRANT pg_monitor TO ledger;
\connect checkout
CREATE SCHEMA ledger AUTHORIZATION ledger;
-- So that its table is found by whoever looks for it in a restored copy, too.
ALTER DATABASE checkout SET search_path = "$user", public, ledger;
SQL
