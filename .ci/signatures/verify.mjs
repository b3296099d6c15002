// Verifies deliveries with the public libraries of JavaScript. Takes them as
// JSON lines {library, secret, headers, body (base64)}; answers each with a line,
// true or false.

import { createInterface } from "node:readline";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

const libraries = { standardwebhooks: Standard, svix: Svix };

for await (const line of createInterface({ input: process.stdin })) {
  const { library, secret, headers, body } = JSON.parse(line);
  let verified = true;
  try {
    new libraries[library](secret).verify(Buffer.from(body, "base64"), headers);
  } catch (error) {
    // Any other one is a fault of ours and ends it.
    if (error.constructor.name !== "WebhookVerificationError") throw error;
    verified = false;
  }
  console.log(verified);
}
