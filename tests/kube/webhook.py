# An admission webhook over TLS: says its port, then answers every review as the file says that it is given: {"code": ..., "words": ...} denies,
# {"seconds": ...} lets it pass after so long.
import http.server, json, ssl, sys, time

folder = sys.argv[1]

class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(folder + "/answer.json") as answer:
            wanted = json.load(answer)
        time.sleep(wanted.get("seconds", 0))
        response = {"uid": review["request"]["uid"], "allowed": "code" not in wanted}
        if "code" in wanted:
            response["status"] = {"code": wanted["code"], "message": wanted["words"]}
        body = json.dumps({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass

    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/server.crt", folder + "/server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
