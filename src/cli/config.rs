//! `bellrope config`: each setting's value in force, and where it came from.

use anyhow::Result;

use crate::config::Config;

pub fn run(config: &Config, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(&config.shown)?);
        return Ok(());
    }
    // Lines that a settings file takes as they are.
    for setting in &config.shown {
        let value = toml::Value::try_from(&setting.value)?;
        println!(
            "{:<48} # {}",
            format!("{} = {value}", setting.name),
            setting.source
        );
    }
    Ok(())
}
