//! Certificates and keys for tests, made by OpenSSL once for each run, as an administrator would.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A folder of PEM files. It is left to the target folder, where the next run makes it anew.
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// The bytes of one file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs openssl in the folder.
    pub(crate) fn openssl(&self, arguments: &str) -> Vec<u8> {
        openssl(&self.folder, arguments)
    }

    /// Makes a key, then a certificate for it that `root` signs, with these extensions.
    fn issue(
        &self,
        name: &str,
        root: &str,
        key: &str,
        subject: &str,
        extensions: &str,
        more: &str,
    ) {
        self.openssl(&format!(
            "req -new -nodes -newkey {key} -subj {subject} -keyout {name}.key -out {name}.csr"
        ));
        let mut signing = format!(
            "x509 -req -in {name}.csr -CA {root}.crt -CAkey {root}.key -CAcreateserial \
             -out {name}.crt {more}"
        );
        if !more.contains("-days") {
            signing += " -days 2";
        }
        if !extensions.is_empty() {
            let file = format!("{name}.ext");
            std::fs::write(self.path(&file), extensions).unwrap();
            signing += &format!(" -extfile {file}");
        }
        self.openssl(&signing);
    }

    fn self_signed(&self, name: &str, key: &str, subject: &str, more: &str) {
        self.openssl(&format!(
            "req -x509 -nodes -newkey {key} -days 2 -subj {subject} -keyout {name}.key \
             -out {name}.crt {more}"
        ));
    }

    /// A list that revokes the serial numbers given, for so many days (or none).
    fn revocation_list(&self, name: &str, root: &str, revoked: &[String], lasts: &str) {
        let config = format!(
            "[ca]\ndefault_ca=d\n[d]\ndatabase={name}.index\ndefault_md=sha256\n\
             crlnumber={name}.number\n"
        );
        let lines: String = revoked
            .iter()
            .map(|serial| format!("R\t400101000000Z\t250101000000Z\t{serial}\tunknown\t/CN=x\n"))
            .collect();
        std::fs::write(self.path(&format!("{name}.cnf")), config).unwrap();
        std::fs::write(self.path(&format!("{name}.index")), lines).unwrap();
        std::fs::write(self.path(&format!("{name}.number")), "01\n").unwrap();
        self.openssl(&format!(
            "ca -config {name}.cnf -gencrl -keyfile {root}.key -cert {root}.crt -out {name}.crl \
             {lasts}"
        ));
    }

    fn serial(&self, name: &str) -> String {
        let said = self.openssl(&format!("x509 -in {name}.crt -noout -serial"));
        let said = String::from_utf8(said).unwrap();
        said.trim().strip_prefix("serial=").unwrap().to_owned()
    }
}

fn openssl(folder: &Path, arguments: &str) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl is installed");
    assert!(
        output.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

const EC: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
const EC_384: &str = "ec -pkeyopt ec_paramgen_curve:P-384";
const NAMED: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1\n";

/// All of them.
pub(crate) fn certificates() -> &'static Certificates {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    MADE.get_or_init(make)
}

fn make() -> Certificates {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres-certificates");
    std::fs::create_dir_all(&all).unwrap();
    // cargo-nextest has a process for each test: the first of a run makes them for all.
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| std::process::id().to_string());
    let lock = File::create(all.join("lock")).unwrap();
    lock.lock().unwrap();
    let folder = all.join(run);
    let is_made = folder.join("complete");
    if is_made.exists() {
        return Certificates { folder };
    }
    for former in std::fs::read_dir(&all).unwrap() {
        let _ = std::fs::remove_dir_all(former.unwrap().path());
    }
    std::fs::create_dir_all(&folder).unwrap();
    let made = Certificates { folder };
    made.self_signed("root", EC, "/CN=root", "");
    made.self_signed("stranger", EC, "/CN=root", "");
    make_servers(&made);
    make_hashes(&made);
    make_keys(&made);
    made.revocation_list("none", "root", &[], "-crldays 2");
    made.revocation_list("revoking", "root", &[made.serial("good")], "-crldays 2");
    made.revocation_list("stale", "root", &[], "-crlsec 1");
    File::create(is_made).unwrap();
    made
}

fn make_servers(made: &Certificates) {
    made.issue("good", "root", EC, "/CN=good", NAMED, "");
    made.issue("strange", "stranger", EC, "/CN=localhost", NAMED, "");
    let other = "subjectAltName=DNS:db.example.com\n";
    // A certificate that names hosts in today's way has no other names.
    made.issue("elsewhere", "root", EC, "/CN=localhost", other, "");
    made.issue("expired", "root", EC, "/CN=localhost", NAMED, "-days -1");
    let unnamed = "basicConstraints=CA:FALSE\n";
    made.issue("common", "root", EC, "/O=x/CN=localhost", unnamed, "");
    // As PostgreSQL's manual makes them: without extensions they are of version 1.
    made.issue("old", "root", "rsa:2048", "/CN=localhost", "", "");
    made.issue("old-ec", "root", EC, "/CN=localhost", "", "");
    made.issue("old-strange", "stranger", EC, "/CN=localhost", "", "");
    made.issue("old-expired", "root", EC, "/CN=localhost", "", "-days -1");
    made.issue("under-good", "good", EC, "/CN=localhost", "", "");
    made.self_signed("self", EC, "/CN=localhost", "");
    let authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n";
    made.issue("middle", "root", EC, "/CN=middle", authority, "");
    made.issue("leaf", "middle", EC, "/CN=leaf", NAMED, "");
    let chain = [made.read("leaf.crt"), made.read("middle.crt")].concat();
    std::fs::write(made.path("leaf.crt"), chain).unwrap();
}

/// Certificates whose signatures use one hash function each.
fn make_hashes(made: &Certificates) {
    made.self_signed("sha1", "rsa:2048", "/CN=localhost", "-sha1");
    made.self_signed("sha256", "rsa:2048", "/CN=localhost", "-sha256");
    made.self_signed("sha384", EC_384, "/CN=localhost", "-sha384");
    made.self_signed("sha512", EC, "/CN=localhost", "-sha512");
    let pss = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1";
    made.self_signed(
        "pss384",
        "rsa:2048",
        "/CN=localhost",
        &format!("-sha384 {pss}"),
    );
    made.self_signed("ed25519", "ed25519", "/CN=localhost", "");
}

/// One client's keys in each form that OpenSSL writes them in; the password is `s3cret`.
fn make_keys(made: &Certificates) {
    made.issue(
        "client",
        "root",
        "rsa:2048",
        "/CN=client",
        "basicConstraints=CA:FALSE\n",
        "",
    );
    made.issue(
        "client-ec",
        "root",
        EC,
        "/CN=client",
        "basicConstraints=CA:FALSE\n",
        "",
    );
    made.issue("client-old", "root", EC, "/CN=client", "", "");
    made.openssl("rsa -traditional -in client.key -out client.pkcs1");
    made.openssl("ec -in client-ec.key -out client-ec.sec1");
    made.openssl("pkcs8 -topk8 -in client.key -passout pass:s3cret -out client.pkcs8");
    made.openssl("pkcs8 -topk8 -scrypt -in client.key -passout pass:s3cret -out client.scrypt");
    for bits in [128, 192, 256] {
        made.openssl(&format!(
            "rsa -traditional -in client.key -aes{bits} -passout pass:s3cret -out client.aes{bits}"
        ));
    }
    made.openssl("ec -in client-ec.key -aes256 -passout pass:s3cret -out client-ec.aes256");
    made.openssl("rsa -traditional -in client.key -des3 -passout pass:s3cret -out client.des3");
}
