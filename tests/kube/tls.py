# A TLS server that asks for client certificates, or an HTTP proxy that knows CONNECT, in front of a plain one. Says its port, then each connection.
import socket, ssl, sys, threading

def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

def join(a, b):
    threading.Thread(target=pump, args=(a, b), daemon=True).start()
    threading.Thread(target=pump, args=(b, a), daemon=True).start()

def tls(client, folder, target):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + "/server.crt", folder + "/server.key")
    context.load_verify_locations(folder + "/ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    secure = context.wrap_socket(client, server_side=True)
    print("client " + dict(x[0] for x in secure.getpeercert()["subject"])["commonName"], flush=True)
    join(secure, socket.create_connection(target))

def proxy(client):
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(4096)
    method, address, _ = head.split(b"\r\n")[0].decode().split()
    print(method + " " + address, flush=True)
    host, port = address.rsplit(":", 1)
    target = socket.create_connection((host, int(port)))
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    join(client, target)

server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    try:
        if sys.argv[1] == "tls":
            host, port = sys.argv[3].split(":")
            tls(client, sys.argv[2], (host, int(port)))
        else:
            proxy(client)
    except (OSError, ValueError, KeyError) as e:
        print("refused " + type(e).__name__, flush=True)
        client.close()
