//! How long the sentences are. `make words` prints it.

use pulldown_cmark::{Event, Tag, TagEnd};

use crate::pages::{Page, pages};

/// More words than this in the sentences of a page on average: split them.
const MOST_ON_AVERAGE: f64 = 16.0;

/// A sentence with more words than this is a list, or two sentences.
const LONGEST: usize = 45;

/// The prose of a page, sentence by sentence: no heading, table or code block. A piece of code is one word.
fn sentences(page: &Page) -> Vec<String> {
    let (mut sentences, mut text, mut skipped) = (Vec::new(), String::new(), 0_usize);
    for event in page.events() {
        match event {
            Event::Start(Tag::Heading { .. } | Tag::Table(_) | Tag::CodeBlock(_)) => {
                end(&mut sentences, &mut text);
                skipped += 1;
            }
            Event::End(TagEnd::Heading(_) | TagEnd::Table | TagEnd::CodeBlock) => skipped -= 1,
            Event::Start(Tag::Paragraph | Tag::Item | Tag::List(_))
            | Event::End(TagEnd::Paragraph | TagEnd::Item) => end(&mut sentences, &mut text),
            Event::Text(piece) if skipped == 0 => text.push_str(&piece),
            Event::Code(_) if skipped == 0 => text.push_str("code"),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ => {}
        }
    }
    end(&mut sentences, &mut text);
    sentences
}

/// Takes the text apart after `.`, `!` and `?` with a blank behind them.
fn end(sentences: &mut Vec<String>, text: &mut String) {
    let whole = std::mem::take(text);
    let mut sentence = String::new();
    for word in whole.split_whitespace() {
        sentence.push_str(word);
        sentence.push(' ');
        let bare = word.trim_end_matches([')', '"', '\'']);
        // `..` is where something was left out.
        if bare.ends_with(['.', '!', '?']) && !bare.ends_with("..") {
            sentences.push(std::mem::take(&mut sentence));
        }
    }
    sentences.push(sentence);
    sentences.retain(|sentence| words(sentence) > 0);
}

fn words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "a few thousand words")]
fn average(words: usize, sentences: usize) -> f64 {
    words as f64 / sentences.max(1) as f64
}

#[test]
fn sentences_are_short() {
    let mut faults = Vec::new();
    let (mut all_words, mut all_sentences) = (0, 0);
    println!("{:<24} {:>7} {:>10} {:>8}", "page", "words", "sentences", "average");
    for page in pages().iter().filter(|page| page.name != "docs/SUMMARY.md") {
        let sentences = sentences(page);
        let in_sentences: usize = sentences.iter().map(|sentence| words(sentence)).sum();
        let average = average(in_sentences, sentences.len());
        println!(
            "{:<24} {:>7} {:>10} {average:>8.1}",
            page.name,
            words(&page.text),
            sentences.len()
        );
        if average > MOST_ON_AVERAGE {
            faults.push(format!("{}: {average:.1} words in a sentence", page.name));
        }
        let long = sentences.iter().filter(|sentence| words(sentence) > LONGEST);
        faults.extend(
            long.map(|sentence| format!("{}: {} words: {sentence}", page.name, words(sentence))),
        );
        all_words += in_sentences;
        all_sentences += sentences.len();
    }
    println!(
        "{:<24} {:>7} {all_sentences:>10} {:>8.1}",
        "all",
        "",
        average(all_words, all_sentences)
    );
    assert!(faults.is_empty(), "too long:\n{}", faults.join("\n"));
}

#[test]
fn prose_is_counted_by_the_sentence() {
    let text = "# A title\n\nOne, two `three four`. Five? (Six.)\n\n| a | b |\n|---|---|\n| c | d |\n\n\
                1. seven eight\n2. nine .. ten\n\n```\ncode\n```\n";
    let page = Page { name: "page.md".to_owned(), text: text.to_owned() };
    let counts: Vec<usize> = sentences(&page).iter().map(|sentence| words(sentence)).collect();
    assert_eq!(counts, [3, 1, 1, 2, 2]);
}
