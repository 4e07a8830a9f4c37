s = """a
b""" + r'\d' "c" % x; y = [z(1)[0](), \
  w.v()]
async def f(): pass
while True: break
class A(B): import gate
else: return
