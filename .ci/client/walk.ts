// Walks over every call of the API with a client that was generated from
// openapi.json. What the document has wrong does not compile or is not found.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Delivery = components["schemas"]["Delivery"];

const app = environment("APP");
const appId = app.slice(app.lastIndexOf("/") + 1);
const baseUrl = app.slice(0, app.indexOf("/apps/"));

const client = createClient<paths>({
  baseUrl,
  headers: { "x-api-key": environment("KEY") },
});

const walked = new Set<string>();
client.use({
  onResponse({ request, response, schemaPath }) {
    if (response.ok) walked.add(`${request.method.toLowerCase()} ${schemaPath}`);
  },
});

let passed = 0;
let failed = 0;

function check(what: string, holds: boolean): void {
  if (holds) {
    passed += 1;
  } else {
    failed += 1;
    console.error(`FAILED: ${what}`);
  }
}

function environment(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

/** What has to be there; the walk can't go on without it. */
function given<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`no ${what}`);
  return value;
}

async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 200; tries += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited in vain for ${what}`);
}

// A receiver that is as its path says.
const receiver = createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    response.writeHead(request.url === "/gone" ? 410 : 200).end("thank you");
  });
});
await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
const receiverUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;

async function walk(): Promise<void> {
  const ofApp = { path: { appId } };

  const created = given(
    (
      await client.POST("/apps/{appId}/webhooks", {
        params: ofApp,
        body: { url: `${receiverUrl}/hook`, events: ["invoice.*"] },
      })
    ).data,
    "endpoint",
  ).data;
  check("a created endpoint is active", created.active);
  check("a secret is one of Standard Webhooks", created.secret.startsWith("whsec_"));
  const webhookId = created.id;
  const ofWebhook = { path: { appId, webhookId } };

  const listed = await client.GET("/apps/{appId}/webhooks", { params: ofApp });
  check("the list has the endpoint", listed.data?.data[0]?.id === webhookId);

  const got = await client.GET("/apps/{appId}/webhooks/{webhookId}", { params: ofWebhook });
  check("an endpoint that works is not disabled", got.data?.data.disabledReason === null);

  const updated = await client.PUT("/apps/{appId}/webhooks/{webhookId}", {
    params: ofWebhook,
    body: { events: ["*"] },
  });
  check("an update is answered as it is now", updated.data?.data.events[0] === "*");

  const rotated = await client.POST("/apps/{appId}/webhooks/{webhookId}/rotate-secret", {
    params: ofWebhook,
  });
  check("a rotation has another secret", rotated.data?.data.secret !== created.secret);

  const ping = await client.POST("/apps/{appId}/webhooks/{webhookId}/test-ping", {
    params: { ...ofWebhook, header: { Prefer: "wait=20" } },
  });
  check("a ping is answered with its outcome", ping.response.status === 200);
  check("a ping tells what the receiver said", ping.data?.data.responseBody === "thank you");
  check("what was preferred is told", ping.response.headers.get("preference-applied") === "wait=20");
  const later = await client.POST("/apps/{appId}/webhooks/{webhookId}/test-ping", {
    params: { ...ofWebhook, header: { Prefer: "respond-async" } },
  });
  check("a ping need not be waited for", later.response.status === 202);
  check("and is pending then", later.data?.data.status === "PENDING");

  const publish = () =>
    client.POST("/apps/{appId}/events", {
      params: { ...ofApp, header: { "Idempotency-Key": "walk-1" } },
      body: { type: "invoice.paid", data: { invoice: "inv_1" } },
    });
  const [first, second] = [await publish(), await publish()];
  check("an event is accepted", first.response.status === 202);
  check("the same key is the same event", first.data?.data.id === second.data?.data.id);

  const delivered = await eventually("three deliveries", async () => {
    const page = await client.GET("/apps/{appId}/webhooks/{webhookId}/deliveries", {
      params: { ...ofWebhook, query: { status: "DELIVERED" } },
    });
    const items = given(page.data, "page").data.items;
    return items.length === 3 ? items : undefined;
  });

  const seen: Delivery[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const page = await client.GET("/apps/{appId}/webhooks/{webhookId}/deliveries", {
      params: { ...ofWebhook, query: { limit: 1, ...(cursor === undefined ? {} : { cursor }) } },
    });
    const { items, nextCursor } = given(page.data, "page").data;
    seen.push(...items);
    pages += 1;
    cursor = nextCursor ?? undefined;
  } while (cursor !== undefined && pages < 10);
  check(
    "pages of one have what one page has",
    JSON.stringify(seen.map(({ id }) => id)) === JSON.stringify(delivered.map(({ id }) => id)),
  );

  const filtered = await client.GET("/apps/{appId}/webhooks/{webhookId}/deliveries", {
    params: {
      ...ofWebhook,
      query: { event: "invoice.paid", since: created.createdAt, until: "9000-01-01T00:00:00Z" },
    },
  });
  const deliveryId = given(filtered.data?.data.items[0], "delivery of the event").id;
  const ofDelivery = { path: { appId, webhookId, deliveryId } };
  const details = await client.GET(
    "/apps/{appId}/webhooks/{webhookId}/deliveries/{deliveryId}",
    { params: ofDelivery },
  );
  check("a delivery is of its event", details.data?.data.eventId === first.data?.data.id);
  check("a delivery has its payload", details.data?.data.payload?.type === "invoice.paid");
  check("a delivery has its attempts", details.data?.data.attemptLog[0]?.responseStatus === 200);

  const resent = await client.POST(
    "/apps/{appId}/webhooks/{webhookId}/deliveries/{deliveryId}/resend",
    { params: ofDelivery },
  );
  check("a delivery sent again is another one", resent.data?.data.id !== deliveryId);

  // What fails for good: a receiver that is gone, which disables the endpoint.
  await client.PUT("/apps/{appId}/webhooks/{webhookId}", {
    params: ofWebhook,
    body: { url: `${receiverUrl}/gone` },
  });
  await client.POST("/apps/{appId}/events", {
    params: ofApp,
    body: { type: "invoice.lost", data: null, timestamp: "2026-01-31T09:30:00+01:00" },
  });
  const disabled = await eventually("a disabled endpoint", async () => {
    const now = await client.GET("/apps/{appId}/webhooks/{webhookId}", { params: ofWebhook });
    return now.data?.data.active === false ? now.data.data : undefined;
  });
  check("the reason of a disabling is told", disabled.disabledReason === "GONE");
  const recover = () =>
    client.POST("/apps/{appId}/webhooks/{webhookId}/recover", {
      params: ofWebhook,
      body: { since: created.createdAt, status: "FAILED" },
    });
  const conflict = await recover();
  check("an inactive endpoint is a conflict", conflict.response.status === 409);
  check("and the client knows its code", conflict.error?.error.code === "CONFLICT");
  await client.PUT("/apps/{appId}/webhooks/{webhookId}", {
    params: ofWebhook,
    body: { url: `${receiverUrl}/hook`, active: true },
  });
  const recovered = await recover();
  check("what failed is sent again", recovered.data?.data.deliveries === 1);

  const invalid = await client.POST("/apps/{appId}/webhooks", {
    params: ofApp,
    body: { url: "ftp://example.com", events: [] },
  });
  check("a bad body is a 400", invalid.response.status === 400);
  const faults = invalid.error?.error.code === "VALIDATION_ERROR" ? invalid.error.error.details : [];
  check(
    "that names its faults",
    JSON.stringify(faults.map(({ field }) => field).sort()) === '["events","url"]',
  );
  const badCursor = await client.GET("/apps/{appId}/webhooks/{webhookId}/deliveries", {
    params: { ...ofWebhook, query: { cursor: "A".repeat(43) } },
  });
  check("a foreign cursor is a 400", badCursor.response.status === 400);
  const stranger = createClient<paths>({ baseUrl });
  const unknown = await stranger.GET("/apps/{appId}/webhooks", { params: ofApp });
  check("no key is a 401", unknown.error?.error.code === "AUTHENTICATION_ERROR");
  const bearer = createClient<paths>({
    baseUrl,
    headers: { authorization: `Bearer ${environment("KEY")}` },
  });
  const known = await bearer.GET("/apps/{appId}/webhooks", { params: ofApp });
  check("the key is taken as a bearer token", known.response.status === 200);

  const deleted = await client.DELETE("/apps/{appId}/webhooks/{webhookId}", { params: ofWebhook });
  check("a deletion has no body", deleted.response.status === 204);
  const gone = await client.GET("/apps/{appId}/webhooks/{webhookId}", { params: ofWebhook });
  check("what was deleted is a 404", gone.error?.error.code === "NOT_FOUND");

  const served = await client.GET("/openapi.json");
  const document: { paths: Record<string, Record<string, unknown>> } = JSON.parse(
    readFileSync("../openapi.json", "utf8"),
  );
  check("the document is served", JSON.stringify(served.data) === JSON.stringify(document));
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of ["get", "put", "post", "delete"].filter((method) => method in item)) {
      check(`${method} ${path} was walked over`, walked.has(`${method} ${path}`));
    }
  }
}

try {
  await walk();
} catch (error) {
  check(String(error), false);
}
receiver.close();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
