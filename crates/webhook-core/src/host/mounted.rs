//! Values that are mounted as files, as Docker and Kubernetes do with secrets.

/// A variable that is not set has the content of the file that `<NAME>_FILE` names, less the line's end.
pub(super) fn or_in_a_file(
    read: impl Fn(&str) -> Option<String>,
) -> impl Fn(&str) -> Option<String> {
    move |name| {
        if let Some(value) = read(name) {
            return Some(value);
        }
        let variable = format!("{name}_FILE");
        let path = read(&variable).filter(|path| !path.trim().is_empty())?;
        match std::fs::read_to_string(path.trim()) {
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
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
    fn a_value_stands_in_the_variable_or_in_the_file_that_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "whsec_in_a_file\n").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let read = or_in_a_file(move |name| match name {
            "PLAIN" => Some("plain".to_owned()),
            "SECRET_FILE" | "PLAIN_FILE" => Some(path.clone()),
            "GONE_FILE" => Some(format!("{path}.gone")),
            _ => None,
        });
        assert_eq!(read("PLAIN").as_deref(), Some("plain"));
        assert_eq!(read("SECRET").as_deref(), Some("whsec_in_a_file"));
        assert_eq!((read("GONE"), read("OTHER")), (None, None));
    }
}
