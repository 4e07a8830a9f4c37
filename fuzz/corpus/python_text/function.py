import http.client, socket, time
def up():
	try:
		c = http.client.HTTPSConnection("h", port=8443); c.request("GET", "/x")
		return c.getresponse().status == 200
	except (OSError, socket.timeout): return False
while not up(): time.sleep(1)
