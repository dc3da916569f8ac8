//! The demo as a stranger runs it: this program alone, in an empty folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A copy of the program without the functions' own binaries next to it, so that it is the function itself.
struct Alone {
    folder: tempfile::TempDir,
}

impl Alone {
    fn new() -> Alone {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let alone = Alone { folder };
        let program = env!("CARGO_BIN_EXE_devkit");
        // A link is as good as a copy, and takes no room.
        fs::hard_link(program, alone.program())
            .or_else(|_| fs::copy(program, alone.program()).map(drop))
            .unwrap();
        alone
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("devkit")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.program());
        command.args(arguments).current_dir(self.folder.path()).env_clear().output().unwrap()
    }
}

#[test]
fn every_story_ends_as_it_should_without_other_binaries() {
    let output = Alone::new().run(&["demo"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(first.starts_with("Watch it in a browser: http://127.0.0.1:"), "{first}");
    // One in the legend.
    let steps = rest.lines().filter(|line| line.starts_with('✓')).count() - 1;
    assert_eq!(steps, 12 + 11 + 9, "{text}");
    assert!(!text.contains('✗'), "{text}");
    assert!(text.contains("Every step left exactly the licenses that were paid for."), "{text}");
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 120, "{text}");
}

#[test]
fn the_picture_of_the_readme_is_what_the_demo_prints() {
    let alone = Alone::new();
    let output = alone.run(&["demo", "--svg", "demo.svg"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let drawn = fs::read_to_string(alone.folder.path().join("demo.svg")).unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images/demo.svg");
    let kept = fs::read_to_string(kept).unwrap();
    assert!(drawn == kept, "docs/images/demo.svg is old: make pictures. It would be\n{drawn}");
}
