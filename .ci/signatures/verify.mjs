// Verifies deliveries with the public libraries for JavaScript. Reads JSON lines
// {library, secret, headers, body (base64)} and prints true or false for each.

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
    // Any other error is a bug in this test.
    if (error.constructor.name !== "WebhookVerificationError") throw error;
    verified = false;
  }
  console.log(verified);
}
