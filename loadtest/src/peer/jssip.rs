//! JsSIP, a SIP client for browsers that others wrote, made into one script for a page.
//!
//! It is fetched from the npm registry by npm and kept in a folder for temporary files; nothing of it
//! is stored with us.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that the tests were written with.
const VERSION: &str = "3.13.8";

/// A script that sets `JsSIP` of the page it is run in.
///
/// Fails with what npm says when the registry is not reached.
pub fn script() -> io::Result<String> {
    super::installed("npm", "--version", "nodejs with npm")?;
    let folder = std::env::temp_dir().join(format!("jssip-{VERSION}"));
    let modules = folder.join("node_modules");
    if !modules.join("jssip/package.json").exists() {
        fetch(&folder)?;
    }
    let mut files = Vec::new();
    collect(&modules, &mut files)?;
    files.sort();
    let mut script = String::from("(() => { const files = {\n");
    for file in files {
        let name = file.strip_prefix(&modules).map_err(io::Error::other)?;
        let text = fs::read_to_string(&file)?;
        let name = name.display();
        let text = if file.extension().is_some_and(|it| it == "json") {
            format!("module.exports = {text};")
        } else {
            // A program of a shell's kind would be no function body.
            text.replacen("#!", "// ", usize::from(text.starts_with("#!")))
        };
        script += &format!("\"{name}\": function (module, exports, require) {{\n{text}\n}},\n");
    }
    Ok(script + LOADER)
}

fn fetch(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let fetched = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
        .arg("--prefix")
        .arg(folder)
        .arg(format!("jssip@{VERSION}"))
        .output()?;
    if fetched.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&fetched.stderr);
    Err(io::Error::other(format!("npm install jssip: {said}")))
}

/// Modules and what describes them.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        // Tests are no modules for a page.
        let aside = |name: &str| name.starts_with('.') || matches!(name, "test" | "tests");
        if path.is_dir() && !name.is_some_and(aside) {
            collect(&path, files)?;
        } else if name == Some("package.json") || path.extension().is_some_and(|it| it == "js") {
            files.push(path);
        }
    }
    Ok(())
}

/// CommonJS, as far as these modules use it.
const LOADER: &str = r#"};
    const loaded = {};
    const plain = (path) => {
        const parts = [];
        for (const part of path.split("/")) {
            if (part === "..") { parts.pop(); } else if (part !== "." && part !== "") { parts.push(part); }
        }
        return parts.join("/");
    };
    const find = (path) => [path, `${path}.js`, `${path}/index.js`].find((name) => files[name]);
    const load = (name) => {
        if (!loaded[name]) {
            const module = loaded[name] = { exports: {} };
            const folder = name.slice(0, name.lastIndexOf("/"));
            files[name](module, module.exports, (wanted) => {
                if (wanted.startsWith(".")) {
                    return load(find(plain(`${folder}/${wanted}`)));
                }
                const { main } = files[`${wanted}/package.json`] ? load(`${wanted}/package.json`) : {};
                return load(find(plain(`${wanted}/${main ?? "index.js"}`)));
            });
        }
        return loaded[name].exports;
    };
    globalThis.JsSIP = load("jssip/lib/JsSIP.js");
})();"#;
