// Serves the portal's C# check with HttpListener, for Mono, which has no ASP.NET Core. The
// snippet's class is appended to this file.

using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Security.Cryptography;
using System.Text;

static class Receiver
{
    static void Main()
    {
        var listener = new HttpListener();
        listener.Prefixes.Add("http://127.0.0.1:3000/");
        listener.Start();
        while (true)
        {
            var context = listener.GetContext();
            var buffer = new MemoryStream();
            context.Request.InputStream.CopyTo(buffer);
            var headers = context.Request.Headers;
            var isAuthentic = Webhook.IsAuthentic(
                buffer.ToArray(),
                headers["webhook-id"],
                headers["webhook-timestamp"],
                headers["webhook-signature"]);
            context.Response.StatusCode = isAuthentic ? 204 : 401;
            context.Response.Close();
        }
    }
}
