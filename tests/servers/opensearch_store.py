"""One OpenSearch node from Maven Central, our index template in it, and how to put records in and ask for them."""
import collections
import json
import os
import urllib.error
import urllib.request

from server import HERE, Servers, free_ports, maven

ROOT = os.path.dirname(os.path.dirname(HERE))
TEMPLATE = os.path.join(ROOT, "conf", "opensearch", "earshot-template.json")
JAVA = ("java", "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
BULK_RECORDS = 2000


class Store(Servers):
    def __init__(self):
        jars = maven("opensearch")  # before there is anything to clean up
        super().__init__()
        http, transport = free_ports(2)
        self.url = f"http://127.0.0.1:{http}"
        self.command = [*JAVA, "-cp", jars + "/*", os.path.join(HERE, "opensearch.java"), self.folder, str(http), str(transport)]

    def __enter__(self):
        super().__enter__()
        try:
            self.start("opensearch", self.command, ready=self.healthy, seconds=300)
        except BaseException:
            self.__exit__()
            raise
        return self

    def healthy(self):
        try:
            return self.ask("GET", "/_cluster/health")[0] == 200
        except OSError:
            return False

    def ask(self, method, path, body=None):
        """(status, answer)"""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def put_template(self):
        with open(TEMPLATE, "rb") as f:
            return self.ask("PUT", "/_index_template/earshot", f.read())

    def load(self, lines, namespace):
        """Records as JSON lines into logs-DATASET-NAMESPACE with event.id as _id: a Counter of "created", "conflict", or what was
        wrong with them."""
        results = collections.Counter()
        for first in range(0, len(lines), BULK_RECORDS):
            body = bytearray()
            for line in lines[first:first + BULK_RECORDS]:
                event = json.loads(line)["event"]
                action = {"create": {"_index": f"logs-{event['dataset']}-{namespace}", "_id": event["id"]}}
                body += json.dumps(action).encode() + b"\n" + line.rstrip(b"\n") + b"\n"
            status, answer = self.ask("POST", "/_bulk", bytes(body))
            if status != 200:
                raise RuntimeError(f"_bulk: {status} {answer}")
            for item in answer["items"]:
                results[result(item["create"])] += 1
        self.ask("POST", f"/logs-earshot.*-{namespace}/_refresh")
        return results

    def search(self, streams, body):
        status, answer = self.ask("POST", f"/{streams}/_search?ignore_unavailable=true", body)
        if status != 200 or answer["_shards"]["failed"]:
            raise RuntimeError(f"_search: {status} {json.dumps(answer.get('_shards', answer))[:600]}")
        return answer

    def ids(self, streams, query):
        """The event.id of all that a query finds."""
        found, after = [], None
        while True:
            body = {"query": query, "_source": False, "size": 5000, "sort": [{"event.id": "asc"}]}
            if after is not None:
                body["search_after"] = after
            hits = self.search(streams, body)["hits"]["hits"]
            if not hits:
                return found
            found += [hit["_id"] for hit in hits]
            after = hits[-1]["sort"]


def result(item):
    if item["status"] == 201:
        return "created"
    return "conflict" if item["status"] == 409 else f"{item['error']['type']}: {item['error'].get('reason', '')}"
