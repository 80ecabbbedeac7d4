//! Real proxies before a service, with the files of `examples/`: what they let through, what the service then sees,
//! and what the client is told. Only addresses are replaced in the files.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use keywright_core::BuiltInRole::PublisherAdmin;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::proxies::{Api, Door, Seen, Way};
use crate::harness::{Answer, Engine, Minted, Raw, TestApp, eventually, python};

macro_rules! test_before {
    ($kind:ident, $name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let Some(site) = super::Site::open(super::Kind::$kind).await else { return };
            super::$name(&site).await;
            site.close().await;
        }
    };
}

/// Makes a test before each proxy of each function named.
macro_rules! before_each_proxy {
    ($($name:ident),+ $(,)?) => {
        mod before_nginx {
            $( test_before!(Nginx, $name); )+
        }
        mod before_caddy {
            $( test_before!(Caddy, $name); )+
        }
        mod before_envoy {
            $( test_before!(Envoy, $name); )+
        }
        mod before_traefik {
            $( test_before!(Traefik, $name); )+
        }
    };
}

before_each_proxy![
    who_may_passes_and_others_are_told_why,
    what_a_client_says_of_itself_never_reaches_the_service,
    what_can_be_read_in_two_ways_is_not_served,
    nothing_is_served_without_an_answer,
    sockets_bodies_and_methods_come_through,
];

/// Where the clients are, beside the proxy's own address.
const CLIENT: &str = "127.0.0.2";
/// From here nobody is trusted.
const STRANGER: &str = "127.0.0.3";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nginx,
    Caddy,
    Envoy,
    Traefik,
}

/// A proxy as a process of its own; ended when dropped.
struct Proxy {
    child: Child,
    folder: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The module without which nginx cannot drop headers whose names it does not know.
const HEADERS_MORE: &str = "/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so";

impl Kind {
    fn example(self) -> &'static str {
        match self {
            Self::Nginx => "nginx/keywright.conf",
            Self::Caddy => "caddy/Caddyfile",
            Self::Envoy => "envoy/envoy.yaml",
            Self::Traefik => "traefik/dynamic.yml",
        }
    }

    /// Its program; none, and it says so, where it is not installed.
    fn program(self) -> Option<PathBuf> {
        let found = match self {
            Self::Nginx => runs("nginx", "-v").filter(|_| Path::new(HEADERS_MORE).exists()),
            Self::Caddy => runs("caddy", "version"),
            Self::Envoy => of_python("envoy", "--version"),
            Self::Traefik => of_python("traefik", "version"),
        };
        if found.is_none() {
            eprintln!("SKIPPED: {self:?} is not installed, or lacks a module; scripts/test installs it");
        }
        found
    }

    fn command(self, program: &Path, folder: &Path, file: &Path, own: SocketAddr) -> Command {
        let mut command = Command::new(program);
        match self {
            Self::Nginx => {
                let main = folder.join("main.conf");
                std::fs::write(&main, nginx_main(folder, file)).unwrap();
                command.arg("-p").arg(folder).arg("-c").arg(main).arg("-e").arg(folder.join("log"));
            }
            Self::Caddy => {
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
                command.env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder).env("HOME", folder);
            }
            Self::Envoy => {
                command
                    .args(["--concurrency", "1", "--disable-hot-restart", "-l", "warning", "-c"])
                    .arg(file);
            }
            // Its own settings, which an administrator has elsewhere: where it listens, and the file.
            Self::Traefik => {
                command.args(["--global.checkNewVersion=false", "--global.sendAnonymousUsage=false"]);
                command.args(["--log.level=WARN", &format!("--entryPoints.web.address={own}")]);
                command.arg(format!("--providers.file.filename={}", file.display()));
            }
        }
        command
    }
}

fn runs(program: &str, version: &str) -> Option<PathBuf> {
    Command::new(program).arg(version).output().ok().map(|_| program.into())
}

/// The one in the virtual environment that `scripts/test` makes.
fn of_python(program: &str, version: &str) -> Option<PathBuf> {
    let beside = python("sys")?.with_file_name(program);
    runs(beside.to_str()?, version)
}

/// What stands around the file that an administrator includes.
fn nginx_main(folder: &Path, file: &Path) -> String {
    let folder = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};"))
        .join(" ");
    // The folder is nobody else's, so whoever it is must be the one who made it.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "load_module {HEADERS_MORE}; {user} daemon off; master_process off; pid {folder}/pid;\n\
         events {{}}\nhttp {{ access_log off; {temporary} include {}; }}\n",
        file.display()
    )
}

/// A proxy that listens, and where. Between looking for a free port and taking it somebody else may have it.
async fn started(kind: Kind, program: &Path, door: &Door, api: &Api) -> (Proxy, SocketAddr) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(kind.example());
    let text = std::fs::read_to_string(&example).unwrap();
    for tries_left in (0..5).rev() {
        let (address, folder) = (free_address(), tempfile::tempdir().unwrap());
        let file = folder.path().join(example.file_name().unwrap());
        std::fs::write(&file, placed(kind, &text, address, door.address(), api.address())).unwrap();
        let mut command = kind.command(program, folder.path(), &file, address);
        let log = std::fs::File::create(folder.path().join("output")).unwrap();
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut proxy = Proxy { child: command.spawn().unwrap(), folder };
        let mut ended = None;
        eventually("the proxy listens", async || {
            ended = proxy.child.try_wait().unwrap();
            ended.is_some() || tokio::net::TcpStream::connect(address).await.is_ok()
        })
        .await;
        let Some(status) = ended else { return (proxy, address) };
        let said = std::fs::read_to_string(proxy.folder.path().join("output")).unwrap();
        assert!(tries_left > 0 && said.to_lowercase().contains("in use"), "{kind:?}: {status}\n{said}");
    }
    unreachable!("the last try returns or fails");
}

/// A proxy between clients and a service, which asks a Keywright whether to let them through.
struct Site {
    kind: Kind,
    app: TestApp,
    door: Door,
    api: Api,
    proxy: Proxy,
    address: SocketAddr,
    /// May read and write.
    good: Minted,
    /// May read.
    reader: Minted,
}

impl Site {
    async fn open(kind: Kind) -> Option<Self> {
        let program = kind.program()?;
        let app = TestApp::start_behind_a_proxy(Engine::Sqlite, &[]).await?;
        let (api, door) = (Api::start().await, Door::before(app.address()).await);
        let (proxy, address) = started(kind, &program, &door, &api).await;
        let good = app.mint("Wärmepumpe", &["works:*"]).await;
        let reader = app.mint("reader", &["works:read"]).await;
        let site = Self { kind, app, door, api, proxy, address, good, reader };
        // It may listen before it knows where to ask.
        eventually("it lets through", async || site.get("/works/0", &site.good.secret).await.status == 200)
            .await;
        site.api.seen();
        Some(site)
    }

    async fn close(self) {
        drop(self.proxy);
        self.app.stop().await;
    }

    /// What a client gets who sends this.
    async fn send(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut client = Raw::connect_from(CLIENT, self.address).await;
        let mut request = format!("{method} {uri} HTTP/1.1\r\nHost: api.example.com\r\n");
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        if !body.is_empty() {
            write!(request, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        client.send(format!("{request}\r\n{body}")).await;
        client.answer_to(method).await.unwrap_or_else(|| panic!("no answer to {method} {uri}"))
    }

    async fn get(&self, uri: &str, credential: &str) -> Answer {
        self.send("GET", uri, &[("Authorization", &format!("Bearer {credential}"))], "").await
    }

    /// That what the service saw of one request is what the answer of Keywright says, and nothing of the client's.
    #[track_caller]
    fn saw(&self, seen: &Seen, token: &Minted) {
        let told: Vec<_> = seen
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().replace('_', "-"), value.to_str().unwrap()))
            .filter(|(name, _)| name.starts_with("x-auth-"))
            .collect();
        let name = if token.id == self.good.id { "W%C3%A4rmepumpe" } else { "reader" };
        let scopes = if token.id == self.good.id { "works:*" } else { "works:read" };
        for (header, expected) in [
            ("x-auth-principal-type", "service_token"),
            ("x-auth-principal-id", &token.id),
            ("x-auth-principal-name", name),
            ("x-auth-publisher-id", ""),
            ("x-auth-scopes", scopes),
            ("x-auth-credential-id", &token.id),
            ("x-auth-token-type", "service"),
            ("x-auth-rotation", ""),
        ] {
            let own: Vec<_> = told.iter().filter(|(name, _)| name == header).collect();
            let is_told = matches!(own.as_slice(), [(_, value)] if *value == expected);
            // nginx passes on no header that is empty.
            assert!(is_told || (own.is_empty() && expected.is_empty()), "{header}: {told:?}");
        }
        let known = told.iter().all(|(name, _)| crate::auth_forward::HEADERS.contains(&name.as_str()));
        assert!(known, "{told:?}");
    }

    /// The one request that the service got; none is left.
    #[track_caller]
    fn served(&self) -> Seen {
        let mut seen = self.api.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// That the service got nothing.
    #[track_caller]
    fn not_served(&self, what: &str) {
        assert!(self.api.seen().is_empty(), "{:?} served {what}", self.kind);
    }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The file of an example with other addresses, each of which it must have.
fn placed(kind: Kind, text: &str, own: SocketAddr, keywright: SocketAddr, api: SocketAddr) -> String {
    let replaced = |text: String, from: &str, to: String| {
        assert!(text.contains(from), "{from} is not in {}", kind.example());
        text.replace(from, &to)
    };
    let text = text.to_owned();
    if kind == Kind::Envoy {
        let port = |port: u16| format!("port_value: {port}");
        let text = replaced(text, "port_value: 8000", port(own.port()));
        let text = replaced(text, "port_value: 8080", port(keywright.port()));
        return replaced(text, "port_value: 9000", port(api.port()));
    }
    if kind == Kind::Traefik {
        let text = replaced(text, "127.0.0.1:8080", keywright.to_string());
        return replaced(text, "127.0.0.1:9000", api.to_string());
    }
    let listens = if kind == Kind::Nginx { ("listen 8000", "listen ") } else { (":8000 {", ":") };
    let end = if kind == Kind::Nginx { "" } else { " {" };
    let text = replaced(text, listens.0, format!("{}{}{end}", listens.1, own.port()));
    let text = replaced(text, "127.0.0.1:8080", keywright.to_string());
    replaced(text, "127.0.0.1:9000", api.to_string())
}

fn bearer(token: &Minted) -> String {
    format!("Bearer {}", token.secret)
}

#[track_caller]
fn one_challenge(answer: &Answer, expected: &str) {
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, [expected], "{answer:?}");
}

async fn who_may_passes_and_others_are_told_why(site: &Site) {
    let answer = site.get("/works/17?page=2", &site.good.secret).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = site.served();
    assert_eq!((seen.method.as_str(), seen.uri.as_str()), ("GET", "/works/17?page=2"));
    site.saw(&seen, &site.good);
    let key = site.send("GET", "/works/17", &[("X-API-Key", &site.reader.secret)], "").await;
    assert_eq!(key.status, 200, "{key:?}");
    site.saw(&site.served(), &site.reader);

    // Of a publisher's user every header has something to say.
    let tenant = site.app.tenant("Tenant").await;
    let ada = site.app.member_of("ada@example.com", &tenant, PublisherAdmin).await;
    let session = site.app.login_for(&ada, &tenant).await;
    assert_eq!(site.get("/works/17", &session.access).await.status, 200);
    let seen = site.served();
    for (name, expected) in [
        ("x-auth-principal-id", ada.id.to_string()),
        ("x-auth-principal-name", "ada%40example.com".to_owned()),
        ("x-auth-publisher-id", tenant.id.to_string()),
        ("x-auth-credential-id", session.id.clone()),
        ("x-auth-token-type", "user".to_owned()),
    ] {
        assert_eq!(seen.headers[name], expected, "{name}");
    }

    let nobody = site.send("GET", "/works/17", &[], "").await;
    assert_eq!(nobody.status, 401, "{nobody:?}");
    one_challenge(&nobody, "Bearer realm=\"keywright\"");
    let wrong = site.get("/works/17", "nonsense").await;
    assert_eq!(wrong.status, 401, "{wrong:?}");
    one_challenge(&wrong, "Bearer realm=\"keywright\", error=\"invalid_token\"");
    let poor = site.send("PUT", "/works/17", &[("Authorization", &bearer(&site.reader))], "x").await;
    assert_eq!(poor.status, 403, "{poor:?}");
    one_challenge(&poor, "Bearer realm=\"keywright\", error=\"insufficient_scope\"");
    site.not_served("what was refused");

    let body = json!({"token_name": "one", "permissions": ["works:read"], "rate_limits": {"per_hour": 1}});
    let limited = site.app.mint_as(body).await;
    assert_eq!(site.get("/works/17", &limited.secret).await.status, 200);
    site.served();
    let answer = site.get("/works/17", &limited.secret).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0, "{answer:?}");
    assert!(answer.header("ratelimit").starts_with("\"hour\";r=0;t="), "{answer:?}");
    site.not_served("what was used up");

    let gone = site.app.mint("gone", &["works:read"]).await;
    assert_eq!(site.get("/works/17", &gone.secret).await.status, 200);
    site.served();
    site.app.admin().delete(&gone.path()).await.expect(204);
    assert_eq!(site.get("/works/17", &gone.secret).await.status, 401);
    site.not_served("what was revoked a moment ago");
}

async fn what_a_client_says_of_itself_never_reaches_the_service(site: &Site) {
    let bearer = bearer(&site.reader);
    for (name, value) in [
        ("X-Auth-Principal-Id", "root"),
        ("x-auth-principal-id", "root"),
        ("X-AUTH-SCOPES", "*"),
        ("X_Auth_Scopes", "*"),
        ("x_auth_scopes", "*"),
        ("X-Auth_Scopes", "*"),
        ("X_Auth-Scopes", "*"),
        ("X-Auth-Publisher-Id", "01980000-0000-7000-8000-000000000001"),
        ("X_AUTH_PUBLISHER_ID", "01980000-0000-7000-8000-000000000001"),
        ("X-Auth-Rotation", "none"),
        ("X-Auth-Anything-Else", "x"),
        ("X_Auth_Anything_Else", "x"),
        ("Connection", "keep-alive, X-Auth-Principal-Id, X-Auth-Scopes"),
        ("Connection", "X-Auth-Publisher-Id, X-Auth-Credential-Id, Authorization, X-Forwarded-Uri"),
    ] {
        let answer = site.send("GET", "/works/17", &[("Authorization", &bearer), (name, value)], "").await;
        match answer.status {
            200 => site.saw(&site.served(), &site.reader),
            status => {
                assert!((400..500).contains(&status), "{name}: {answer:?}");
                site.not_served(name);
            }
        }
        // Twice, and without a credential.
        let twice = [("Authorization", bearer.as_str()), (name, value), (name, value)];
        if site.send("GET", "/works/17", &twice, "").await.status == 200 {
            site.saw(&site.served(), &site.reader);
        }
        let answer = site.send("GET", "/works/17", &[(name, value)], "").await;
        assert!((400..500).contains(&answer.status), "{name}: {answer:?}");
        site.not_served(name);
    }

    // What it says of its request is either not believed or refused.
    for (name, value) in [
        ("X-Forwarded-Uri", "/public"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Host", "internal"),
        ("X-Original-URI", "/public"),
        ("X-Original-Method", "GET"),
        ("X-Original-URL", "/public"),
        ("X-Rewrite-URL", "/public"),
        ("X_Forwarded_Uri", "/public"),
        ("X-HTTP-Method-Override", "GET"),
    ] {
        let spoofed = [("Authorization", bearer.as_str()), (name, value), ("X-Request-Id", "spoofed")];
        // The reader may not write, whatever it says that it does.
        let answer = site.send("PUT", "/works/17", &spoofed, "x").await;
        assert!(matches!(answer.status, 400 | 403), "{name}: {answer:?}");
        site.not_served(name);
    }
    recorded_as_it_was(site).await;
}

/// The record tells of the request that was made, by the client that made it.
async fn recorded_as_it_was(site: &Site) {
    let headers = [
        ("Authorization", bearer(&site.good)),
        ("User-Agent", "spoofer/1".to_owned()),
        ("X-Forwarded-For", "203.0.113.9".to_owned()),
        ("X-Real-IP", "203.0.113.9".to_owned()),
        ("X-Forwarded-Uri", "/public".to_owned()),
        ("X-Forwarded-Method", "GET".to_owned()),
    ];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = site.send("PUT", "/works/18?x=y", &headers, "x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = site.served();
    site.saw(&seen, &site.good);
    let spoofed = seen
        .headers
        .iter()
        .filter(|(name, value)| name.as_str().starts_with("x-forwarded") && *value == "/public");
    assert_eq!(spoofed.count(), 0, "{seen:?}");
    site.app.recorded().await;
    let sql = "SELECT method || ' ' || endpoint || ' ' || ip_address FROM authentication_events \
               WHERE user_agent = 'spoofer/1'";
    let told = site.app.database().await.texts(sql).await;
    assert_eq!(told, [format!("PUT /works/18 {CLIENT}")]);
    // From elsewhere than the credential is for, whatever it says.
    let body =
        json!({"token_name": "at home", "permissions": ["works:read"], "ip_allowlist": ["203.0.113.0/24"]});
    let home = site.app.mint_as(body).await;
    let bearer = bearer(&home);
    for value in ["203.0.113.9", "203.0.113.9, 127.0.0.1", "127.0.0.1"] {
        let spoofed = [("Authorization", bearer.as_str()), ("X-Forwarded-For", value)];
        let answer = site.send("GET", "/works/17", &spoofed, "").await;
        assert_eq!(answer.status, 403, "{value}: {answer:?}");
        site.not_served(value);
    }
}

async fn what_can_be_read_in_two_ways_is_not_served(site: &Site) {
    for uri in [
        "//works/17",
        "/works//17",
        "/works/../admin",
        "/works/%2e%2e/admin",
        "/works/%2E%2E/admin",
        "/works/.%2e/admin",
        "/works/%252e%252e/admin",
        "/works/..;/admin",
        "/works/..%2fadmin",
        "/works/%2fadmin",
        "/works/%5c..%5cadmin",
        "/works\\..\\admin",
        "/works/%00",
        "/works/%0d%0aX-Auth-Scopes:%20*",
        "/%61dmin",
        "/works/%c0%ae%c0%ae/admin",
        "/works/%zz",
        "http://internal/works/17",
    ] {
        let answer = site.get(uri, &site.good.secret).await;
        match answer.status {
            // The one reading that there is of it is the one that was decided on.
            200 => {
                let seen = site.served();
                let plain = ["/works/17", "/admin"].contains(&seen.uri.as_str());
                assert!(plain, "{:?}: {uri} was served as {}", site.kind, seen.uri);
                let is_resolved =
                    matches!(site.kind, Kind::Envoy | Kind::Traefik) || uri.starts_with("http:");
                assert!(is_resolved, "{:?}: {uri} was served", site.kind);
            }
            status => {
                assert!((400..500).contains(&status), "{uri}: {answer:?}");
                site.not_served(uri);
            }
        }
        let nobody = site.send("GET", uri, &[], "").await;
        assert!((400..500).contains(&nobody.status), "{uri}: {nobody:?}");
        site.not_served(uri);
    }
}

/// Keywright away, silent, broken, or one that does not trust the proxy.
async fn nothing_is_served_without_an_answer(site: &Site) {
    let answer = |head: &str| {
        format!(
            "HTTP/1.1 {head}\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        )
    };
    for (way, expected) in [
        (Way::Refused, 500..600),
        (Way::Silent, 500..600),
        (Way::From(STRANGER), 403..404),
        (Way::Answered(answer("503 Service Unavailable\r\nRetry-After: 7")), 503..504),
        (Way::Answered(answer("500 Internal Server Error")), 500..600),
        (Way::Answered(answer("429 Too Many Requests\r\nRetry-After: 7")), 429..430),
        (Way::Answered(answer("404 Not Found")), 400..600),
        (Way::Answered(answer("301 Moved Permanently\r\nLocation: /")), 300..600),
        (Way::Answered("nonsense\r\n\r\n".to_owned()), 500..600),
    ] {
        let what = format!("{way:?}");
        site.door.set(way);
        let answer = site.get("/works/17", &site.good.secret).await;
        assert!(expected.contains(&answer.status), "{what}: {answer:?}");
        assert!(!answer.text().contains("served"), "{what}: {answer:?}");
        if what.contains("Retry-After") && site.kind != Kind::Envoy {
            assert_eq!(answer.header("retry-after"), "7", "{what}: {answer:?}");
        }
        site.not_served(&what);
    }
    site.door.set(Way::Open);
    eventually("it lets through again", async || {
        site.get("/works/17", &site.good.secret).await.status == 200
    })
    .await;
}

async fn sockets_bodies_and_methods_come_through(site: &Site) {
    let bearer = bearer(&site.good);
    let headers = [("Authorization", bearer.as_str())];
    let body = "x".repeat(100_000);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let answer = site.send(method, "/works/17", &headers, &body).await;
        assert_eq!((answer.status, answer.text()), (200, "served"), "{method}");
        let seen = site.served();
        assert_eq!((seen.method.as_str(), seen.body), (method, body.len()), "{method}");
        site.saw(&seen, &site.good);
    }
    let chunked = [headers[0], ("Transfer-Encoding", "chunked")];
    let mut client = Raw::connect_from(CLIENT, site.address).await;
    let head = chunked.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let head = format!("POST /works/17 HTTP/1.1\r\nHost: api.example.com\r\n{head}\r\n");
    client.send(format!("{head}5\r\nhello\r\n0\r\n\r\n")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(site.served().body, 5);
    // On the same connection: what came before is over.
    client.send("GET /works/17 HTTP/1.1\r\nHost: api.example.com\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, 401);
    site.not_served("what came after a request that may");

    let answer = site.send("HEAD", "/works/17", &headers, "").await;
    assert_eq!((answer.status, answer.text()), (200, ""), "{answer:?}");
    assert_eq!(site.served().method, "HEAD");
    let answer = site.send("HEAD", "/works/17", &[], "").await;
    assert_eq!((answer.status, answer.text()), (401, ""), "{answer:?}");
    // A body is not looked at before the answer.
    let answer = site.send("POST", "/works/17", &[], &body).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    site.not_served("a body of nobody");

    let upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade")];
    let key = [("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")];
    let asked = |credential: &str| {
        let all = [("Authorization", credential)].into_iter().chain(upgrade).chain(key);
        let head: String = all.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("GET /works/socket HTTP/1.1\r\nHost: api.example.com\r\n{head}\r\n")
    };
    let mut client = Raw::connect_from(CLIENT, site.address).await;
    client.send(asked(&bearer)).await;
    let answer = client.answer_to("HEAD").await.unwrap();
    assert_eq!(answer.status, 101, "{answer:?}");
    client.send("through and back").await;
    assert_eq!(client.read_exactly(16).await, b"through and back");
    site.saw(&site.served(), &site.good);
    let mut client = Raw::connect_from(CLIENT, site.address).await;
    client.send(asked("Bearer nonsense")).await;
    assert_eq!(client.answer().await.unwrap().status, 401);
    site.not_served("a socket of nobody");
}
