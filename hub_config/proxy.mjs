// Start configurable-http-proxy with kept connections to unix sockets.
//
// The proxy opens a new connection for each request to a unix socket and asks for it to be closed. Node ends a request
// that has a body with an empty write; when the hub has answered and closed before that, the write fails and the proxy
// answers 503 to a request that had succeeded (seen in 1 of 60 POSTs on a busy machine). With an agent, as the proxy
// itself uses for TCP, connections are kept and the race is gone.

import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [home] = process.argv.splice(2, 1); // the folder of configurable-http-proxy
const load = (file) => import(pathToFileURL(path.join(home, file)));

const { ConfigurableProxy } = await load("lib/configproxy.js");
const agent = new http.Agent({ keepAlive: true });
const original = ConfigurableProxy.prototype.proxyOptsForTarget;
ConfigurableProxy.prototype.proxyOptsForTarget = function (target) {
  const options = original.call(this, target);
  return options.target.socketPath ? { ...options, agent } : options;
};
await load("bin/configurable-http-proxy");
