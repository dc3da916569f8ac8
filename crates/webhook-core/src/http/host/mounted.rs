//! Values that are mounted as files, as Docker and Kubernetes do with secrets.

/// A variable that is not set, or blank, has the content of the file that `<NAME>_FILE` names, less the line's end. What
/// cannot be read is a problem of the configuration: the variable stays without a value although the file is named.
pub(super) fn or_in_a_file(
    read: impl Fn(&str) -> Option<String>,
) -> impl Fn(&str) -> Option<String> {
    move |name| {
        let value = read(name);
        if value.as_ref().is_some_and(|value| !value.trim().is_empty()) {
            return value;
        }
        let variable = format!("{name}_FILE");
        let Some(path) = read(&variable).filter(|path| !path.trim().is_empty()) else {
            return value;
        };
        match std::fs::read_to_string(path.trim()) {
            Ok(text) => {
                let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            Err(error) => {
                tracing::error!("{variable}: {} cannot be read: {error}", path.trim());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::or_in_a_file;

    #[test]
    fn a_value_is_in_the_variable_or_in_the_file_it_names() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{feff}whsec_in_a_file\n").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let read = or_in_a_file(move |name| match name {
            "PLAIN" => Some("plain".to_owned()),
            "BLANK" => Some(" ".to_owned()),
            "SECRET_FILE" | "PLAIN_FILE" | "BLANK_FILE" => Some(path.clone()),
            "GONE_FILE" => Some(format!("{path}.gone")),
            _ => None,
        });
        assert_eq!(read("PLAIN").as_deref(), Some("plain"));
        assert_eq!(read("SECRET").as_deref(), Some("whsec_in_a_file"));
        assert_eq!(read("BLANK").as_deref(), Some("whsec_in_a_file"));
        assert_eq!((read("GONE"), read("OTHER")), (None, None));
    }
}
