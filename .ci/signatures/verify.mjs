// Verifies deliveries with the public libraries for JavaScript. Reads JSON lines
// {library, secret, headers, body (base64)} and prints true or false for each.

import { createInterface } from "node:readline";
import { verify as verifyGitHub } from "@octokit/webhooks-methods";
import "@shopify/shopify-api/adapters/web-api";
import { shopifyApi } from "@shopify/shopify-api";
import { Webhook as Standard } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as Svix } from "svix";

// Each returns false for a delivery that is not authentic. An exception is a bug in this
// test.
const libraries = {
  standardwebhooks: raising("WebhookVerificationError", (secret, headers, body) =>
    new Standard(secret).verify(body, headers)),
  svix: raising("WebhookVerificationError", (secret, headers, body) =>
    new Svix(secret).verify(body, headers)),
  stripe: raising("StripeSignatureVerificationError", (secret, headers, body) =>
    new Stripe("sk_test_unused").webhooks.constructEvent(body, headers["stripe-signature"], secret)),
  github: (secret, headers, body) =>
    verifyGitHub(secret, body.toString(), headers["x-hub-signature-256"]),
  shopify: async (secret, headers, body) => {
    const shopify = shopifyApi({
      apiKey: "unused",
      apiSecretKey: secret,
      apiVersion: headers["x-shopify-api-version"],
      hostName: "app.example.com",
      isEmbeddedApp: false,
      logger: { level: 0 },
    });
    const rawRequest = new Request("https://app.example.com/", { method: "POST", headers });
    const { valid } = await shopify.webhooks.validate({ rawBody: body.toString(), rawRequest });
    return valid;
  },
};

function raising(rejection, verify) {
  return (...delivery) => {
    try {
      verify(...delivery);
    } catch (error) {
      if (error.constructor.name !== rejection) throw error;
      return false;
    }
    return true;
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { library, secret, headers, body } = JSON.parse(line);
  console.log(await libraries[library](secret, headers, Buffer.from(body, "base64")));
}
