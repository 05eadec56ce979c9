import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from standardwebhooks.webhooks import Webhook

class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = Webhook(sys.argv[1]).verify(body, {k.lower(): v for k, v in self.headers.items()})  # raises if forged
        print(event["type"], event["data"]["counts"], flush=True)
        self.send_response(204), self.end_headers()

HTTPServer(("127.0.0.1", 9000), Hook).serve_forever()
