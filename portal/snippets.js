// Code that verifies deliveries, for the customer's own endpoint. It uses the Standard
// Webhooks library of a language where one is published, and otherwise the language's own
// library: the signature is an HMAC of three fields.

/** @typedef {{language: string, install: string | null, code: string}} Snippet */

/**
 * @param {string} url the endpoint's
 * @returns {[Snippet, ...Snippet[]]}
 */
export function snippetsFor(url) {
  const path = pathOf(url);
  return [node(path), python(path), go(path), ruby(path), php(path), java(path), csharp(path), rust(path)];
}

/**
 * The URL's path, if it can stand in a string of any language as it is.
 *
 * @param {string} url
 */
function pathOf(url) {
  const path = URL.canParse(url) ? new URL(url).pathname : '/';
  return /^[A-Za-z0-9/_.~-]+$/.test(path) ? path : '/webhooks';
}

/** @param {string} path @returns {Snippet} */
const node = (path) => ({
  language: 'Node.js',
  install: 'npm install standardwebhooks express',
  code: `import express from "express";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const app = express();

app.post("${path}", express.raw({ type: "*/*" }), (req, res) => {
  let event;
  try {
    event = webhook.verify(req.body, req.headers);
  } catch {
    return res.sendStatus(401);
  }
  res.sendStatus(204);
  console.log(event.type, event.data);
});

app.listen(3000);
`,
});

/** @param {string} path @returns {Snippet} */
const python = (path) => ({
  language: 'Python',
  install: 'pip install standardwebhooks flask',
  code: `import os
from flask import Flask, request
from standardwebhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
webhook = Webhook(os.environ["WEBHOOK_SECRET"])

@app.post("${path}")
def receive():
    try:
        event = webhook.verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError:
        return "", 401
    print(event["type"], event["data"])
    return "", 204
`,
});

/** @param {string} path @returns {Snippet} */
const go = (path) => ({
  language: 'Go',
  install: 'go get github.com/standard-webhooks/standard-webhooks/libraries/go',
  code: `package main

import (
	"io"
	"log"
	"net/http"
	"os"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	webhook, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST ${path}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || webhook.Verify(body, r.Header) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		log.Printf("%s", body)
		w.WriteHeader(http.StatusNoContent)
	})
	log.Fatal(http.ListenAndServe(":3000", nil))
}
`,
});

/** @param {string} path @returns {Snippet} */
const ruby = (path) => ({
  language: 'Ruby',
  install: 'gem install standardwebhooks sinatra',
  code: `require "sinatra"
require "standardwebhooks"

webhook = StandardWebhooks::Webhook.new(ENV.fetch("WEBHOOK_SECRET"))

post "${path}" do
  headers = %w[id timestamp signature].to_h do |name|
    ["webhook-#{name}", request.env["HTTP_WEBHOOK_#{name.upcase}"]]
  end
  event = webhook.verify(request.body.read, headers)
  puts event["type"]
  204
rescue StandardWebhooks::WebhookVerificationError
  halt 401
end
`,
});

/** @param {string} path @returns {Snippet} */
const php = (path) => ({
  language: 'PHP',
  install: 'composer require standard-webhooks/standard-webhooks',
  code: `<?php
// Serves ${path}
require __DIR__ . '/vendor/autoload.php';

$webhook = new \\StandardWebhooks\\Webhook(getenv('WEBHOOK_SECRET'));
$headers = array_change_key_case(getallheaders(), CASE_LOWER);

try {
    $event = $webhook->verify(file_get_contents('php://input'), $headers);
} catch (\\StandardWebhooks\\Exception\\WebhookVerificationException $e) {
    http_response_code(401);
    exit;
}
error_log($event['type']);
http_response_code(204);
`,
});

/** @param {string} path @returns {Snippet} */
const java = (path) => ({
  language: 'Java',
  install: null,
  code: `import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Receiver {
    static boolean isAuthentic(byte[] body, String id, String timestamp, String signatures)
            throws Exception {
        if (id == null || timestamp == null || signatures == null) return false;
        long age = Instant.now().getEpochSecond() - Long.parseLong(timestamp);
        if (Math.abs(age) > 300) return false;
        String secret = System.getenv("WEBHOOK_SECRET").substring("whsec_".length());
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(Base64.getDecoder().decode(secret), "HmacSHA256"));
        mac.update((id + "." + timestamp + ".").getBytes());
        String expected = "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
        for (String signature : signatures.split(" ")) {
            if (MessageDigest.isEqual(signature.getBytes(), expected.getBytes())) return true;
        }
        return false;
    }

    public static void main(String[] args) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(3000), 0);
        server.createContext("${path}", exchange -> {
            int status = 401;
            try (exchange) {
                byte[] body = exchange.getRequestBody().readAllBytes();
                var headers = exchange.getRequestHeaders();
                if (isAuthentic(body, headers.getFirst("webhook-id"),
                        headers.getFirst("webhook-timestamp"),
                        headers.getFirst("webhook-signature"))) {
                    status = 204;
                    System.out.println(new String(body));
                }
                exchange.sendResponseHeaders(status, -1);
            } catch (Exception e) {
                exchange.sendResponseHeaders(401, -1);
            }
        });
        server.start();
    }
}
`,
});

/** @param {string} path @returns {Snippet} */
const csharp = (path) => ({
  language: 'C#',
  install: null,
  code: `using System.Security.Cryptography;
using System.Text;

var secret = Environment.GetEnvironmentVariable("WEBHOOK_SECRET")!["whsec_".Length..];
var key = Convert.FromBase64String(secret);
var app = WebApplication.Create(args);

app.MapPost("${path}", async (HttpRequest request) =>
{
    using var buffer = new MemoryStream();
    await request.Body.CopyToAsync(buffer);
    var body = buffer.ToArray();
    string id = request.Headers["webhook-id"].ToString();
    string timestamp = request.Headers["webhook-timestamp"].ToString();
    if (!long.TryParse(timestamp, out var sent)
        || Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - sent) > 300)
        return Results.Unauthorized();

    byte[] signed = [.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. body];
    var expected = "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, signed));
    var isAuthentic = request.Headers["webhook-signature"].ToString().Split(' ').Any(
        signature => CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(signature), Encoding.UTF8.GetBytes(expected)));
    if (!isAuthentic) return Results.Unauthorized();

    Console.WriteLine(Encoding.UTF8.GetString(body));
    return Results.NoContent();
});

app.Run();
`,
});

/** @param {string} path @returns {Snippet} */
const rust = (path) => ({
  language: 'Rust',
  install: 'cargo add standardwebhooks axum tokio --features tokio/full',
  code: `use axum::{Router, body::Bytes, http::{HeaderMap, StatusCode}, routing::post};
use standardwebhooks::Webhook;

async fn receive(headers: HeaderMap, body: Bytes) -> StatusCode {
    let secret = std::env::var("WEBHOOK_SECRET").expect("WEBHOOK_SECRET is set");
    let webhook = Webhook::new(&secret).expect("WEBHOOK_SECRET is a secret");
    if webhook.verify(&body, &headers).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    println!("{}", String::from_utf8_lossy(&body));
    StatusCode::NO_CONTENT
}

#[tokio::main]
async fn main() {
    let app = Router::new().route("${path}", post(receive));
    let listener = tokio::net::TcpListener::bind("0.0.0.0:3000").await.unwrap();
    axum::serve(listener, app).await.unwrap();
}
`,
});
