// Code that verifies deliveries to the customer's endpoint: with a Standard Webhooks
// library for Node.js, Python and Rust, and otherwise with the standard library, because
// the signature is an HMAC of three fields. .ci/signatures runs all of it.

/** @typedef {{language: string, install: string | null, code: string}} Snippet */

/** @param {string} url the endpoint's @returns {[Snippet, ...Snippet[]]} */
export function snippetsFor(url) {
  const path = pathOf(url);
  return [node(path), python(path), go(path), ruby(path), php(path), java(path), csharp(path), rust(path)];
}

/**
 * The URL's path if it needs no escaping in any language.
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
  install: null,
  code: `package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func isAuthentic(key, body []byte, header http.Header) bool {
	id, timestamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	sent, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || time.Since(time.Unix(sent, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	expected := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, signature := range strings.Fields(header.Get("webhook-signature")) {
		if hmac.Equal([]byte(signature), []byte(expected)) {
			return true
		}
	}
	return false
}

func main() {
	secret := strings.TrimPrefix(os.Getenv("WEBHOOK_SECRET"), "whsec_")
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil || len(key) == 0 {
		log.Fatal("WEBHOOK_SECRET is not a secret")
	}
	http.HandleFunc("${path}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || !isAuthentic(key, body, r.Header) {
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
  install: 'gem install sinatra rackup puma',
  code: `require "openssl"
require "sinatra"

KEY = ENV.fetch("WEBHOOK_SECRET").delete_prefix("whsec_").unpack1("m")
set :port, 3000

def authentic?(body, id, timestamp, signatures)
  return false if (Time.now.to_i - timestamp.to_i).abs > 300

  mac = OpenSSL::HMAC.digest("SHA256", KEY, "#{id}.#{timestamp}.#{body}")
  expected = "v1,#{[mac].pack("m0")}"
  signatures.to_s.split.any? { |signature| OpenSSL.secure_compare(signature, expected) }
end

post "${path}" do
  body = request.body.read
  names = %w[HTTP_WEBHOOK_ID HTTP_WEBHOOK_TIMESTAMP HTTP_WEBHOOK_SIGNATURE]
  halt 401 unless authentic?(body, *request.env.values_at(*names))

  puts body
  204
end
`,
});

/** @param {string} path @returns {Snippet} */
const php = (path) => ({
  language: 'PHP',
  install: null,
  code: `<?php
// Answers requests to ${path}

function isAuthentic(string $body): bool
{
    $secret = getenv('WEBHOOK_SECRET') ?: throw new Exception('WEBHOOK_SECRET is not set');
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    if (abs(time() - (int) $timestamp) > 300) {
        return false;
    }
    $key = base64_decode(substr($secret, strlen('whsec_')));
    $mac = hash_hmac('sha256', "{$id}.{$timestamp}.{$body}", $key, true);
    $expected = 'v1,' . base64_encode($mac);
    foreach (explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '') as $signature) {
        if (hash_equals($expected, $signature)) {
            return true;
        }
    }
    return false;
}

$body = file_get_contents('php://input');
if (!isAuthentic($body)) {
    http_response_code(401);
    exit;
}
$event = json_decode($body, true);
error_log($event['type']);
http_response_code(204);
`,
});

/** @param {string} path @returns {Snippet} */
const java = (path) => ({
  language: 'Java',
  install: null,
  code: `import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Receiver {
    static final String SECRET = System.getenv("WEBHOOK_SECRET").substring("whsec_".length());

    static boolean isAuthentic(byte[] body, String id, String timestamp, String signatures) {
        if (id == null || timestamp == null || signatures == null) return false;
        if (!timestamp.matches("[0-9]{1,12}")) return false;
        long age = Instant.now().getEpochSecond() - Long.parseLong(timestamp);
        if (Math.abs(age) > 300) return false;
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(Base64.getDecoder().decode(SECRET), "HmacSHA256"));
            mac.update((id + "." + timestamp + ".").getBytes(UTF_8));
            String expected = "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
            for (String signature : signatures.split(" ")) {
                if (MessageDigest.isEqual(signature.getBytes(UTF_8), expected.getBytes(UTF_8))) return true;
            }
            return false;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(3000), 0);
        server.createContext("${path}", exchange -> {
            try (exchange) {
                byte[] body = exchange.getRequestBody().readAllBytes();
                var headers = exchange.getRequestHeaders();
                boolean isAuthentic = isAuthentic(body, headers.getFirst("webhook-id"),
                        headers.getFirst("webhook-timestamp"), headers.getFirst("webhook-signature"));
                exchange.sendResponseHeaders(isAuthentic ? 204 : 401, -1);
                if (isAuthentic) System.out.println(new String(body, UTF_8));
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

var app = WebApplication.Create(args);
app.MapPost("${path}", async (HttpRequest request) =>
{
    using var buffer = new MemoryStream();
    await request.Body.CopyToAsync(buffer);
    var body = buffer.ToArray();
    var headers = request.Headers;
    if (!Webhook.IsAuthentic(body, headers["webhook-id"].ToString(),
            headers["webhook-timestamp"].ToString(), headers["webhook-signature"].ToString()))
        return Results.Unauthorized();
    Console.WriteLine(Encoding.UTF8.GetString(body));
    return Results.NoContent();
});
app.Run("http://*:3000");

static class Webhook
{
    static readonly string Secret = Environment.GetEnvironmentVariable("WEBHOOK_SECRET")
        ?? throw new InvalidOperationException("WEBHOOK_SECRET is not set");

    public static bool IsAuthentic(byte[] body, string id, string timestamp, string signatures)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        if (!long.TryParse(timestamp, out var sent) || Math.Abs(now - sent) > 300)
            return false;
        var key = Convert.FromBase64String(Secret.Substring("whsec_".Length));
        using (var mac = new HMACSHA256(key))
        {
            var signed = Encoding.UTF8.GetBytes($"{id}.{timestamp}.").Concat(body).ToArray();
            var expected = "v1," + Convert.ToBase64String(mac.ComputeHash(signed));
            return signatures.Split(' ').Any(signature => CryptographicOperations.FixedTimeEquals(
                Encoding.UTF8.GetBytes(signature), Encoding.UTF8.GetBytes(expected)));
        }
    }
}
`,
});

/** @param {string} path @returns {Snippet} */
const rust = (path) => ({
  language: 'Rust',
  install: 'cargo add standardwebhooks axum tokio --features tokio/full',
  code: `use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::post};
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
