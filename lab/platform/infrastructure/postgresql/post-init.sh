# Makes the checkout's role and database. Patroni runs it once, when the cluster is first made, with a
# connection string of the superuser as the only argument.
set -euo pipefail

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=password="$CHECKOUT_PASSWORD" "$1" <<'SQL'
CREATE ROLE checkout LOGIN PASSWORD :'password';
CREATE DATABASE checkout OWNER checkout;
SQL
