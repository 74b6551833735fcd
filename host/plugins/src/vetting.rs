//! What is checked of a file and of what a plugin says of itself. No I/O, and no guest is called.

use serde_json::Value;

use crate::{
    config::{HostConfig, PluginConfig},
    directory::WasmFile,
    inspect::BodyLimits,
    prepared::Description,
    refusal::{Refusal, SignedBy},
    report::{PluginReport, Section, SignatureReport},
    schema::Schema,
    signature,
    trust::Version,
};

/// The longest name.
const MAX_NAME: usize = 64;
/// The longest version, summary or title, in bytes.
pub(crate) const MAX_LINE: usize = 1 << 10;
/// The longest documentation, in bytes over all sections.
const MAX_DOCUMENTATION: usize = 256 << 10;

/// Who vouches for the bytes of a file, as far as that can be known before the plugin has been asked for its name.
pub(crate) struct Vouching {
    pub(crate) signature: Option<SignatureReport>,
    /// What keeps it from being looked into.
    pub(crate) problems: Vec<Refusal>,
    /// How large its functions may be: an interpreter's are large, and whoever vouches for a file has decided to have it.
    pub(crate) limits: BodyLimits,
}

/// Verifies a file's signature, and looks for whoever wants its bytes.
pub(crate) fn vouching(file: &WasmFile, config: &HostConfig) -> Vouching {
    let mut problems = Vec::new();
    let verified = match &file.signature {
        // Where no signature can be verified, none is worth a look.
        Some(_) if config.trust.keys.is_empty() => Ok(Some(SignatureReport::default())),
        Some(signature) => signature::verify(&file.bytes, signature, &config.trust).map(Some),
        None => Ok(None),
    };
    let signature = verified.unwrap_or_else(|error| {
        problems.push(error.into());
        None
    });
    let key = signature.as_ref().and_then(|signature| signature.key.as_deref());
    let vouches =
        |entry: &PluginConfig| pins(entry, &file.sha256) || key.is_some_and(|key| is_signer(entry, key));
    let vouched_for = config.plugins.values().any(vouches);
    if config.trust.strict && !vouched_for {
        problems.push(Refusal::NotVouchedFor {
            sha256: file.sha256.clone(),
        });
    }
    Vouching {
        signature,
        problems,
        limits: if vouched_for {
            BodyLimits::VOUCHED_FOR
        } else {
            BodyLimits::ANYBODYS
        },
    }
}

/// Puts what a plugin says of itself into its report, as far as it is fit to be shown. Answers what is not.
pub(crate) fn note_description(report: &mut PluginReport, description: &Description) -> Vec<Refusal> {
    let Description {
        name,
        version,
        summary,
        documentation,
        config_schema: _,
    } = description;
    let mut problems = Vec::new();
    if is_name(name) {
        report.name = Some(name.clone());
    } else {
        problems.push(Refusal::BadName(name.chars().take(MAX_NAME + 1).collect()));
    }
    let is_line = |text: &str| text.len() <= MAX_LINE && !text.chars().any(char::is_control);
    let lines = [
        ("version", version, &mut report.version),
        ("summary", summary, &mut report.summary),
    ];
    for (what, text, shown) in lines {
        if is_line(text) {
            *shown = Some(text.clone());
        } else {
            problems.push(Refusal::BadDescription(format!(
                "its {what} is not one line of at most {MAX_LINE} bytes"
            )));
        }
    }
    let length = |(title, content): &(String, String)| title.len() + content.len();
    if documentation.iter().map(length).sum::<usize>() > MAX_DOCUMENTATION {
        problems.push(Refusal::BadDescription(format!(
            "its documentation is longer than {MAX_DOCUMENTATION} bytes"
        )));
    } else {
        let section = |(title, content): &(String, String)| Section {
            title: title.clone(),
            content: content.clone(),
        };
        report.documentation = documentation.iter().map(section).collect();
    }
    problems
}

/// What speaks against loading a file as the plugin of a name: its hash, who signed it, its version.
pub(crate) fn against_config(
    name: &str,
    entry: &PluginConfig,
    report: &PluginReport,
    config: &HostConfig,
) -> Vec<Refusal> {
    let name = || name.to_owned();
    let sha256 = report.sha256.as_deref().unwrap_or_default();
    let mut problems = Vec::new();
    match &entry.sha256 {
        Some(pinned) if !pins(entry, sha256) => problems.push(Refusal::PinMismatch {
            name: name(),
            pinned: pinned.clone(),
            actual: sha256.to_owned(),
        }),
        None if config.trust.strict && entry.signed_by.is_none() => problems.push(Refusal::NotTrusted {
            name: name(),
            sha256: sha256.to_owned(),
        }),
        Some(_) | None => {}
    }
    let by = match &report.signature {
        None => SignedBy::Nobody,
        Some(SignatureReport { key: None, .. }) => SignedBy::Unknown,
        Some(SignatureReport { key: Some(key), .. }) => SignedBy::Key(key.clone()),
    };
    let holds = matches!(&by, SignedBy::Key(key) if is_signer(entry, key));
    if let Some(signers) = &entry.signed_by
        && !holds
    {
        problems.push(Refusal::NotSigned {
            name: name(),
            signers: signers.clone(),
            by,
        });
    }
    if let Some(minimum) = &entry.min_version {
        let version = report.version.as_deref().unwrap_or_default();
        // What can't be compared might be anything.
        if !Version::parse(version).is_ok_and(|version| version >= *minimum) {
            problems.push(Refusal::TooOld {
                name: name(),
                version: version.chars().take(MAX_NAME).collect(),
                minimum: minimum.clone(),
            });
        }
    }
    problems
}

/// Checks what the config says of a plugin by the plugin's own schema.
pub(crate) fn config_fits(schema: &Schema, name: String, config: &Value) -> Result<(), Refusal> {
    let errors = schema.errors(config);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Refusal::BadConfig { name, errors })
    }
}

fn is_name(name: &str) -> bool {
    let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fit)
}

fn pins(entry: &PluginConfig, actual: &str) -> bool {
    entry
        .sha256
        .as_ref()
        .is_some_and(|pinned| pinned.eq_ignore_ascii_case(actual))
}

fn is_signer(entry: &PluginConfig, key: &str) -> bool {
    entry
        .signed_by
        .as_ref()
        .is_some_and(|signers| signers.contains(key))
}
