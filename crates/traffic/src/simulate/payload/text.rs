//! Protocols of lines: HTTP/1.1 (RFC 9112), SSH (RFC 4253), and the dialogues of FTP and SMTP.

use super::prefixed;
use crate::simulate::draw::Draw;
use crate::simulate::system::System;

/// A request by a program of a client's system.
pub(in crate::simulate) fn http_request(draw: &mut Draw, host: &str, system: System) -> Vec<u8> {
    let agents: &[&str] = match system {
        System::Windows => &[
            "Microsoft-CryptoAPI/10.0",
            "Microsoft NCSI",
            "Microsoft-Delivery-Optimization/10.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/124.0.0.0 Safari/537.36",
        ],
        System::Mac => &[
            "CaptiveNetworkSupport-443.80.3 wispr",
            "com.apple.trustd/3.0",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Version/17.4 Safari/605.1.15",
        ],
        System::FreeBsd => &["pkg/1.21.3", "fetch libfetch/2.0", "lynx/2.9.0 libwww-FM/2.14"],
        System::Android => &[
            "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 7 Build/UQ1A.240205.004)",
            "okhttp/4.12.0",
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/124.0.0.0 Mobile Safari/537.36",
        ],
        System::Windows7 => &["Microsoft-CryptoAPI/6.1", "Mozilla/5.0 (ZOOM.Win 6.1 x64)"],
        _ => &[
            "Debian APT-HTTP/1.3 (2.4.12)",
            "curl/7.81.0",
            "NetworkManager/1.36.6",
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
        ],
    };
    let agent = draw.pick(agents);
    let method = if draw.chance(0.12) { "HEAD" } else { "GET" };
    let mut path = String::new();
    for _ in 0..draw.size(1, 4) {
        path.push('/');
        path.push_str(&draw.label(2, 16));
    }
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n");
    if agent.starts_with("Mozilla") {
        text.push_str("Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n");
    }
    if draw.chance(0.3) {
        text.push_str(&format!("Cookie: sid={}\r\n", draw.label(20, 220)));
    }
    text.push_str("Connection: keep-alive\r\n\r\n");
    text.into_bytes()
}

/// An answer to a request: short ones often, bodies of `body_bytes` else.
pub(in crate::simulate) fn http_answer(draw: &mut Draw, request: &[u8], body_bytes: usize) -> Vec<u8> {
    let server = draw.pick(&["nginx", "Apache", "AmazonS3", "ECS (lhd/35E1)", "cloudflare"]);
    let head = request.starts_with(b"HEAD");
    let (status, body) = match draw.size(0, 9) {
        0 => ("304 Not Modified", 0),
        1 => ("301 Moved Permanently", 0),
        2 => ("404 Not Found", draw.size(100, 600)),
        _ => ("200 OK", body_bytes),
    };
    let mut text = format!("HTTP/1.1 {status}\r\nServer: {server}\r\n");
    if status.starts_with("301") {
        text.push_str(&format!("Location: https://{}.example/{}\r\n", draw.label(4, 12), draw.label(1, 20)));
    }
    if status.starts_with("200") {
        text.push_str(&format!(
            "ETag: \"{}\"\r\nCache-Control: max-age={}\r\n",
            draw.label(8, 32),
            draw.size(0, 86_400)
        ));
    }
    if !status.starts_with("304") {
        text.push_str(&format!("Content-Type: application/octet-stream\r\nContent-Length: {body}\r\n"));
    }
    text.push_str("Connection: keep-alive\r\n\r\n");
    let mut out = text.into_bytes();
    if !head {
        out.extend(draw.bytes(body));
    }
    out
}

/// The lines of an FTP log-in, the server's first, then in turns.
pub(in crate::simulate) fn ftp(draw: &mut Draw) -> Vec<Vec<u8>> {
    let mut lines = vec![format!("220 {} FTP server ready.", draw.label(3, 20))];
    for _ in 0..draw.size(1, 5) {
        lines.push(format!("USER {}", draw.label(3, 12)));
        lines.push("331 Please specify the password.".to_owned());
        lines.push(format!("PASS {}", draw.label(4, 18)));
        if draw.chance(0.3) {
            lines.push("230 Login successful.".to_owned());
            lines.push("SYST".to_owned());
            lines.push("215 UNIX Type: L8".to_owned());
            lines.push("PWD".to_owned());
            lines.push(format!("257 \"/{}\" is the current directory", draw.label(0, 20)));
            break;
        }
        lines.push("530 Login incorrect.".to_owned());
    }
    lines.push("QUIT".to_owned());
    lines.push("221 Goodbye.".to_owned());
    with_ends(lines)
}

/// The lines of an SMTP session up to STARTTLS or QUIT, the server's first, then in turns.
pub(in crate::simulate) fn smtp(draw: &mut Draw, host: &str) -> Vec<Vec<u8>> {
    let lines = vec![
        format!("220 {host} ESMTP Postfix"),
        format!("EHLO {}.local", draw.label(3, 14)),
        format!("250-{host}\r\n250-SIZE {}\r\n250-8BITMIME\r\n250 HELP", draw.size(1, 99) * 1_000_000),
        format!("MAIL FROM:<{}@{}.example>", draw.label(3, 12), draw.label(3, 12)),
        "250 2.1.0 Ok".to_owned(),
        format!("RCPT TO:<{}@{}.example>", draw.label(3, 12), draw.label(3, 12)),
        "450 4.2.0 greylisted".to_owned(),
        "QUIT".to_owned(),
        "221 2.0.0 Bye".to_owned(),
    ];
    with_ends(lines)
}

fn with_ends(lines: Vec<String>) -> Vec<Vec<u8>> {
    lines.into_iter().map(|line| format!("{line}\r\n").into_bytes()).collect()
}

/// The identification line of an SSH program.
pub(in crate::simulate) fn ssh_version(draw: &mut Draw) -> Vec<u8> {
    let programs = [
        "OpenSSH_8.9p1 Ubuntu-3ubuntu0.6",
        "OpenSSH_9.6",
        "OpenSSH_7.2p2 Ubuntu-4ubuntu2.2",
        "libssh_0.9.6",
        "OpenSSH_for_Windows_8.1",
    ];
    format!("SSH-2.0-{}\r\n", draw.pick(&programs)).into_bytes()
}

/// The key-exchange offer of an SSH program.
pub(in crate::simulate) fn ssh_offer(draw: &mut Draw) -> Vec<u8> {
    let kex = [
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "diffie-hellman-group14-sha256",
    ];
    let keys = ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"];
    let ciphers = ["chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-gcm@openssh.com"];
    let macs = ["umac-64-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512", "hmac-sha1"];
    let mut body = vec![20];
    body.extend(draw.bytes(16));
    for list in [&kex[..], &keys, &ciphers, &ciphers, &macs, &macs, &["none", "zlib@openssh.com"], &["none"], &[], &[]]
    {
        let kept = if list.len() > 2 { draw.size(2, list.len()) } else { list.len() };
        body.extend(prefixed::<4>(list[..kept].join(",").as_bytes()));
    }
    body.extend([0; 5]);
    ssh_packet(draw, &body)
}

/// One message in clear: an exchange key of `bytes` bytes.
pub(in crate::simulate) fn ssh_key(draw: &mut Draw) -> Vec<u8> {
    let mut body = vec![30];
    body.extend(prefixed::<4>(&draw.bytes(32)));
    ssh_packet(draw, &body)
}

/// Binary packet (RFC 4253 section 6): padded to 8 bytes with at least 4.
fn ssh_packet(draw: &mut Draw, body: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (5 + body.len() + 4) % 8) % 8;
    let mut packet = vec![padding as u8];
    packet.extend(body);
    packet.extend(draw.bytes(padding));
    prefixed::<4>(&packet)
}
