case $1 in a|b) (c; d) ;; *) e & esac
f() { until "$@"; do sleep 1; done; }
function g
{
  f nc -z "$1" ${2:-80}
}
g h
while ! [ -S /run/x ]; do sleep 1 || break; done >/dev/null 2>&1 &
cat <<-'E' | docker stack deploy -c - x
	until x
	E
for i in $(seq 1 9); do wget -q "http://$(hostname)/" && exit; sleep 1; done; wait
