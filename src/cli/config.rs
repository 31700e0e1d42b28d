//! `bellrope config`: each setting's value in force, and where it came from.

use std::io::Write as _;

use anyhow::Result;

use crate::config::Config;

pub fn run(config: &Config, json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&config.shown)?)?;
        return Ok(());
    }
    // Lines that a settings file takes as they are.
    for setting in &config.shown {
        let value = toml::Value::try_from(&setting.value)?;
        // What stands in a secret's place would be taken for one.
        let comment = if setting.masked { "#" } else { "" };
        writeln!(
            out,
            "{:<48} # {}",
            format!("{comment}{} = {value}", setting.name),
            setting.source
        )?;
    }
    Ok(())
}
