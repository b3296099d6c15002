// Makes every API call with the TypeScript client, whose types are generated from
// openapi.json. If the document is wrong, this does not compile or a check fails.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import createFetchClient from "openapi-fetch";
import {
  createClient,
  paginate,
  type Delivery,
  type Payload,
  type paths,
  type WebhookChange,
} from "webhook-endpoints-client";

const app = environment("APP");
const appId = app.slice(app.lastIndexOf("/") + 1);
const baseUrl = app.slice(0, app.indexOf("/apps/"));

const client = createClient({ baseUrl, key: environment("KEY") });
const platform = createClient({ baseUrl, key: environment("PLATFORM_KEY") });

const walked = new Set<string>();
for (const each of [client, platform]) {
  each.use({
    onResponse({ request, response, schemaPath }) {
      if (response.ok) walked.add(`${request.method.toLowerCase()} ${schemaPath}`);
    },
  });
}

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

/** Throws if the value is missing, because the walk can't continue without it. */
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
  throw new Error(`timed out waiting for ${what}`);
}

const testHeaders: unknown[] = [];

// Answers 410 on /gone, and 200 on other paths.
const receiver = createServer((request, response) => {
  testHeaders.push(request.headers["webhook-test"]);
  request.resume();
  request.on("end", () => {
    response.writeHead(request.url === "/gone" ? 410 : 200).end("thank you");
  });
});
await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
const receiverUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;

/** Creates an app and its keys, as a platform does when a customer signs up. */
async function walkPlatform(): Promise<void> {
  const newApp = { path: { appId: "walk" } };
  const make = () =>
    platform.PUT("/apps/{appId}", {
      params: newApp,
      body: { name: "Walk", metadata: { plan: "pro" } },
    });
  const [made, again] = [await make(), await make()];
  check("an app is created", made.response.status === 201);
  check("an app is created only once", again.response.status === 200);
  const app = await platform.GET("/apps/{appId}", { params: newApp });
  check("a new app has no endpoints", app.data?.data.endpoints === 0);
  check("an app has its metadata", app.data?.data.metadata["plan"] === "pro");
  const apps = await platform.GET("/apps", { params: { query: { prefix: "wal", limit: 1 } } });
  check("the list has the app", apps.data?.data.items[0]?.id === "walk");
  const key = given(
    (
      await platform.POST("/apps/{appId}/keys", {
        params: newApp,
        body: { scope: "read", label: "walk" },
      })
    ).data,
    "key",
  ).data;
  const reader = createClient({ baseUrl, key: key.key });
  const read = await reader.GET("/apps/{appId}/webhooks", { params: newApp });
  check("a key with the scope read can list", read.response.status === 200);
  const refused = await reader.POST("/apps/{appId}/webhooks", {
    params: newApp,
    body: { url: `${receiverUrl}/hook`, events: ["*"] },
  });
  check("it cannot create", refused.error?.error.code === "FORBIDDEN");
  const keys = await platform.GET("/apps/{appId}/keys", { params: newApp });
  check("the app's keys have its key", keys.data?.data[0]?.id === key.id);
  const revoked = await platform.DELETE("/apps/{appId}/keys/{keyId}", {
    params: { path: { appId: "walk", keyId: key.id } },
  });
  check("a revocation has no body", revoked.response.status === 204);
  await walkSessions();
  const deleted = await platform.DELETE("/apps/{appId}", { params: newApp });
  check("a deletion begins", deleted.data?.data.status === "DELETING");
  const conflict = await make();
  check("an app that is being deleted gets a 409", conflict.error?.error.code === "CONFLICT");
}

/** Opens the portal for a customer, as a platform does when a customer asks for it. */
async function walkSessions(): Promise<void> {
  const ofApp = { path: { appId: "walk" } };
  const session = given(
    (await platform.POST("/apps/{appId}/portal-sessions", { params: ofApp })).data,
    "session",
  ).data;
  check("a session has the scope manage by default", session.scope === "manage");
  check("its link has the token in the fragment", new URL(session.url).hash.endsWith(session.token));
  const customer = createClient({ baseUrl, key: session.token });
  const own = await customer.GET("/key");
  check("a session is of the kind session", own.data?.data.kind === "session");
  check("a session names its app", own.data?.data.appId === "walk");
  const listed = await customer.GET("/apps/{appId}/webhooks", { params: ofApp });
  check("a session can list", listed.response.status === 200);
  const minted = await customer.POST("/apps/{appId}/portal-sessions", { params: ofApp });
  check("a session cannot create a session", minted.error?.error.code === "FORBIDDEN");
  const reader = await platform.POST("/apps/{appId}/portal-sessions", {
    params: ofApp,
    body: { scope: "read", expiresInSeconds: 60 },
  });
  const revoked = await platform.DELETE("/apps/{appId}/portal-sessions/{sessionId}", {
    params: { path: { appId: "walk", sessionId: given(reader.data, "session").data.id } },
  });
  check("a revocation of a session has no body", revoked.response.status === 204);
  const platformKey = await platform.GET("/key");
  check("the platform's key belongs to no app", platformKey.data?.data.appId === null);
}

const walkedType = { path: { name: "walk.finished" } };

/** Describes an event type, as a platform does for its customers. */
async function walkCatalogue(): Promise<void> {
  const put = (description: string) =>
    platform.PUT("/event-types/{name}", {
      params: walkedType,
      body: {
        description,
        schema: { type: "object", required: ["steps"] },
        example: { steps: 3 },
        group: "Walks",
      },
    });
  const [added, changed] = [await put("A walk"), await put("The end of a walk")];
  check("an event type is added", added.response.status === 201);
  check("an event type is changed", changed.response.status === 200);
  const got = await client.GET("/event-types/{name}", { params: walkedType });
  check("an app's key reads the catalogue", got.data?.data.description === "The end of a walk");
  check("a new type is not deprecated", got.data?.data.deprecated === false);
  const listed = await client.GET("/event-types", {
    params: { query: { group: "Walks", prefix: "walk.", limit: 1 } },
  });
  check("the catalogue lists the type", listed.data?.data.items[0]?.name === "walk.finished");
  check("no other type follows", listed.data?.data.nextCursor === null);
  const wrong = await platform.PUT("/event-types/{name}", {
    params: walkedType,
    body: { description: "", schema: { type: "walk" } },
  });
  check("a schema with an unknown type gets a 400", wrong.response.status === 400);
  const refused = await client.DELETE("/event-types/{name}", { params: walkedType });
  check("an app's key cannot change the catalogue", refused.error?.error.code === "FORBIDDEN");
}

/** Rotates to a caller-chosen secret with an overlap, ends the overlap, and sets headers. */
async function walkSecrets(webhookId: string): Promise<void> {
  const ofWebhook = { path: { appId, webhookId } };
  const own = "a-secret-of-our-own-4f1c";
  const rotated = await client.POST("/apps/{appId}/webhooks/{webhookId}/rotate-secret", {
    params: ofWebhook,
    body: { secret: own, secretFormat: "text", overlapSeconds: 60 },
  });
  check("a rotation takes the caller's own secret", rotated.data?.data.secret === own);
  const shown = async () =>
    (await client.GET("/apps/{appId}/webhooks/{webhookId}", { params: ofWebhook })).data?.data;
  const during = await shown();
  check("the previous secret still signs", typeof during?.previousSecretExpiresAt === "string");
  const ended = await client.DELETE("/apps/{appId}/webhooks/{webhookId}/previous-secret", {
    params: ofWebhook,
  });
  check("the end of an overlap has no body", ended.response.status === 204);
  const put = (body: WebhookChange) =>
    client.PUT("/apps/{appId}/webhooks/{webhookId}", { params: ofWebhook, body });
  await put({ headers: { Authorization: "Bearer walk" } });
  const after = await shown();
  check("the previous secret no longer signs", after?.previousSecretExpiresAt === null);
  check("only the names of headers are shown", after?.headerNames.join() === "Authorization");
  const moved = await put({ url: `${receiverUrl}/gone` });
  check("a URL does not change without its headers", moved.response.status === 400);
  const removed = await put({ headers: null });
  check("headers can be removed", removed.response.status === 200);
}

async function walk(): Promise<void> {
  await walkPlatform();
  await walkCatalogue();
  const ofApp = { path: { appId } };

  const created = given(
    (
      await client.POST("/apps/{appId}/webhooks", {
        params: ofApp,
        body: {
          url: `${receiverUrl}/hook`,
          events: ["invoice.*"],
          description: "Walk",
          metadata: { plan: "pro" },
          channels: ["walk"],
          filter: { invoice: [{ exists: true }] },
        },
      })
    ).data,
    "endpoint",
  ).data;
  check("a created endpoint is active", created.active);
  check("the secret has the Standard Webhooks form", created.secret.startsWith("whsec_"));
  const webhookId = created.id;
  const ofWebhook = { path: { appId, webhookId } };

  const listed = await client.GET("/apps/{appId}/webhooks", { params: ofApp });
  check("the list contains the endpoint", listed.data?.data[0]?.id === webhookId);

  const got = await client.GET("/apps/{appId}/webhooks/{webhookId}", { params: ofWebhook });
  check("a working endpoint is not disabled", got.data?.data.disabledReason === null);
  check("an endpoint has its description", got.data?.data.description === "Walk");
  check("an endpoint has its metadata", got.data?.data.metadata["plan"] === "pro");

  check("an endpoint has its channels", got.data?.data.channels?.[0] === "walk");
  const tryData = async (data: unknown) => {
    const tried = await client.POST("/apps/{appId}/webhooks/{webhookId}/filter-test", {
      params: ofWebhook,
      body: { data, type: "invoice.paid", channels: ["walk"] },
    });
    return tried.data?.data;
  };
  check("a filter lets matching data through", (await tryData({ invoice: 1 }))?.matches === true);
  check(
    "a filter test names the field that does not match",
    (await tryData({ amount: 1 }))?.failedAt === "filter.invoice",
  );
  const updated = await client.PUT("/apps/{appId}/webhooks/{webhookId}", {
    params: ofWebhook,
    body: { events: ["*"], channels: null, filter: null },
  });
  check("an update returns the new state", updated.data?.data.events[0] === "*");

  await walkSecrets(webhookId);

  const ping = await client.POST("/apps/{appId}/webhooks/{webhookId}/test-ping", {
    params: { ...ofWebhook, header: { Prefer: "wait=20" } },
  });
  check("a ping returns its outcome", ping.response.status === 200);
  check("a ping returns the receiver's response", ping.data?.data.responseBody === "thank you");
  check(
    "the applied preference is reported",
    ping.response.headers.get("preference-applied") === "wait=20",
  );
  const like = await client.POST("/apps/{appId}/webhooks/{webhookId}/test-ping", {
    params: { ...ofWebhook, header: { Prefer: "wait=20" } },
    body: { type: "walk.finished" },
  });
  check("a ping can look like an event", like.data?.data.status === "DELIVERED");
  check("only that one is marked as a test", testHeaders.join() === ",true");
  const likeId = given(like.data?.data.deliveryId, "ping");
  const tested = await client.GET("/apps/{appId}/webhooks/{webhookId}/deliveries/{deliveryId}", {
    params: { path: { ...ofWebhook.path, deliveryId: likeId } },
  });
  check("the history has its type", tested.data?.data.event === "walk.finished");
  check("the history says that it was a test", tested.data?.data.test === true);
  const removed = await platform.DELETE("/event-types/{name}", { params: walkedType });
  check("a type is deleted", removed.response.status === 204);
  const later = await client.POST("/apps/{appId}/webhooks/{webhookId}/test-ping", {
    params: { ...ofWebhook, header: { Prefer: "respond-async" } },
  });
  check("a ping with respond-async gets a 202", later.response.status === 202);
  check("a ping with respond-async is pending", later.data?.data.status === "PENDING");

  const publish = () =>
    client.POST("/apps/{appId}/events", {
      params: { ...ofApp, header: { "Idempotency-Key": "walk-1" } },
      body: { type: "invoice.paid", data: { invoice: "inv_1" } },
    });
  const [first, second] = [await publish(), await publish()];
  check("an event is accepted", first.response.status === 202);
  check(
    "the same idempotency key returns the same event",
    first.data?.data.id === second.data?.data.id,
  );

  const many = await client.POST("/apps/{appId}/events/batch", {
    params: ofApp,
    body: {
      events: [
        {
          type: "invoice.sent",
          data: { invoice: "inv_2" },
          idempotencyKey: "walk-2",
          channels: ["walk"],
          webhookId,
        },
        { type: "test.ping", data: null },
      ],
    },
  });
  check("a batch gets a 202", many.response.status === 202);
  const [taken, refused] = many.data?.data.events ?? [];
  check("the valid event of a batch is accepted", taken !== undefined && "id" in taken);
  check(
    "the reserved type is rejected in its row",
    refused !== undefined && "error" in refused && refused.error.code === "VALIDATION_ERROR",
  );

  const delivered = await eventually("five deliveries", async () => {
    const page = await client.GET("/apps/{appId}/webhooks/{webhookId}/deliveries", {
      params: { ...ofWebhook, query: { status: "DELIVERED" } },
    });
    const items = given(page.data, "page").data.items;
    return items.length === 5 ? items : undefined;
  });

  const seen: Delivery[] = [];
  const onePerPage = paginate((page) =>
    client.GET("/apps/{appId}/webhooks/{webhookId}/deliveries", {
      params: { ...ofWebhook, query: { limit: 1, ...page } },
    }),
  );
  for await (const delivery of onePerPage) seen.push(delivery);
  check(
    "pages with one item each list the same deliveries as a single page",
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
  check("a delivery names its event", details.data?.data.eventId === first.data?.data.id);
  const payload = details.data?.data.payload as Payload;
  check("a delivery has its payload", payload.type === "invoice.paid");
  check("a delivery has its attempts", details.data?.data.attemptLog[0]?.responseStatus === 200);

  const eventId = given(first.data?.data.id, "event's id");
  const event = await client.GET("/apps/{appId}/events/{eventId}", {
    params: { path: { appId, eventId } },
  });
  check("an event has its payload", event.data?.data.payload?.type === "invoice.paid");
  check("an event has its delivery", event.data?.data.deliveries[0]?.id === deliveryId);

  const resent = await client.POST(
    "/apps/{appId}/webhooks/{webhookId}/deliveries/{deliveryId}/resend",
    { params: ofDelivery },
  );
  const resentId = given(resent.data?.data.id, "new delivery");
  check("a resend creates a new delivery", resentId !== deliveryId);
  await eventually("the new delivery's success", async () => {
    const now = await client.GET(
      "/apps/{appId}/webhooks/{webhookId}/deliveries/{deliveryId}",
      { params: { path: { appId, webhookId, deliveryId: resentId } } },
    );
    return now.data?.data.status === "DELIVERED" ? true : undefined;
  });

  // A 410 is a final failure and disables the endpoint.
  await client.PUT("/apps/{appId}/webhooks/{webhookId}", {
    params: ofWebhook,
    body: { url: `${receiverUrl}/gone` },
  });
  await client.POST("/apps/{appId}/events", {
    params: ofApp,
    body: { type: "invoice.lost", data: null, timestamp: "2026-01-31T09:30:00+01:00" },
  });
  await eventually("a failed delivery", async () => {
    const failed = await client.GET("/apps/{appId}/webhooks/{webhookId}/deliveries", {
      params: { ...ofWebhook, query: { status: "FAILED" } },
    });
    return failed.data?.data.items[0];
  });
  const disabled = await client.GET("/apps/{appId}/webhooks/{webhookId}", { params: ofWebhook });
  check("a disabled endpoint has a reason", disabled.data?.data.disabledReason === "GONE");
  const recover = () =>
    client.POST("/apps/{appId}/webhooks/{webhookId}/recover", {
      params: ofWebhook,
      body: { since: created.createdAt, status: "FAILED" },
    });
  const conflict = await recover();
  check("recovering an inactive endpoint gets a 409", conflict.response.status === 409);
  check("the 409 has the code CONFLICT", conflict.error?.error.code === "CONFLICT");
  await client.PUT("/apps/{appId}/webhooks/{webhookId}", {
    params: ofWebhook,
    body: { url: `${receiverUrl}/hook`, active: true },
  });
  const recovered = await recover();
  check("a recovery resends the failed delivery", recovered.data?.data.deliveries === 1);
  const replayed = await eventually("the end of the recovery", async () => {
    const answer = await client.POST("/apps/{appId}/webhooks/{webhookId}/replay", {
      params: ofWebhook,
      body: { since: created.createdAt, types: ["invoice.*"] },
    });
    return answer.response.status === 409 ? undefined : answer;
  });
  check("a replay finds nothing that the endpoint never got", replayed.data?.data.deliveries === 0);

  await client.POST("/apps/{appId}/events", {
    params: ofApp,
    body: { type: "invoice.brief", data: null, storePayload: false },
  });
  const erased = await client.DELETE("/apps/{appId}/events/{eventId}", {
    params: { path: { appId, eventId } },
  });
  check("deleting an event has no content", erased.response.status === 204);
  const left = await client.GET("/apps/{appId}/events/{eventId}", {
    params: { path: { appId, eventId } },
  });
  check("a deleted event has no payload", left.data?.data.payload === null);
  check("a deleted event has the time of its deletion", typeof left.data?.data.payloadDeletedAt === "string");

  const invalid = await client.POST("/apps/{appId}/webhooks", {
    params: ofApp,
    body: { url: "ftp://example.com", events: [] },
  });
  check("an invalid body gets a 400", invalid.response.status === 400);
  const errors =
    invalid.error?.error.code === "VALIDATION_ERROR" ? invalid.error.error.details : [];
  check(
    "the 400 names the invalid fields",
    JSON.stringify(errors.map(({ field }) => field).sort()) === '["events","url"]',
  );
  const badCursor = await client.GET("/apps/{appId}/webhooks/{webhookId}/deliveries", {
    params: { ...ofWebhook, query: { cursor: "A".repeat(43) } },
  });
  check("an invalid cursor gets a 400", badCursor.response.status === 400);
  const stranger = createFetchClient<paths>({ baseUrl });
  const unknown = await stranger.GET("/apps/{appId}/webhooks", { params: ofApp });
  check("a request without a key gets a 401", unknown.error?.error.code === "AUTHENTICATION_ERROR");
  const withHeader = createFetchClient<paths>({
    baseUrl,
    headers: { "x-api-key": environment("KEY") },
  });
  const known = await withHeader.GET("/apps/{appId}/webhooks", { params: ofApp });
  check("the key works in x-api-key", known.response.status === 200);

  const deleted = await client.DELETE("/apps/{appId}/webhooks/{webhookId}", { params: ofWebhook });
  check("a deletion has no body", deleted.response.status === 204);
  const gone = await client.GET("/apps/{appId}/webhooks/{webhookId}", { params: ofWebhook });
  check("a deleted endpoint gets a 404", gone.error?.error.code === "NOT_FOUND");

  const served = await client.GET("/openapi.json");
  const document: { paths: Record<string, Record<string, unknown>> } = JSON.parse(
    readFileSync("../openapi.json", "utf8"),
  );
  check("the document is served", JSON.stringify(served.data) === JSON.stringify(document));
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of ["get", "put", "post", "delete"].filter((method) => method in item)) {
      check(`${method} ${path} was called`, walked.has(`${method} ${path}`));
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
