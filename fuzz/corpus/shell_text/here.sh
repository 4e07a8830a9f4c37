bash <<'END'
until curl -fs https://ci.example.org/; do sleep 1; done
END
cat <<-X | sh
	systemctl start "$UNIT"
X
. /opt/inner.sh
