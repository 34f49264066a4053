//! Prints tokens as they come: as text if there is a tokenizer, as ids if there is none.

use std::io::{self, Write};

use anyhow::Result;
use rankscope::Error;
use rankscope::model::Tokenizer;
use rankscope::model::generate::{TextStream, Written};

pub struct Speech<'a> {
    text: Option<TextStream<'a>>,
    said: String,
    is_aloud: bool,
    failure: Option<io::Error>,
}

impl<'a> Speech<'a> {
    pub fn new(tokenizer: Option<&'a Tokenizer>, prompt: &[u32], is_aloud: bool) -> Self {
        let text = tokenizer.map(|tokenizer| TextStream::after(tokenizer, prompt));
        Speech { text, said: String::new(), is_aloud, failure: None }
    }

    /// Runs `write`, and prints its tokens as they come. Ends when stdout is closed.
    pub fn listen<T>(
        &mut self,
        write: impl FnOnce(&mut dyn FnMut(Written) -> rankscope::Result<()>) -> rankscope::Result<T>,
    ) -> Result<T> {
        let written = write(&mut |token| self.hear(token.id));
        match self.failure.take() {
            Some(failure) => Err(failure.into()),
            None => Ok(written?),
        }
    }

    fn hear(&mut self, id: u32) -> rankscope::Result<()> {
        let piece = match &mut self.text {
            Some(text) => text.push(id)?,
            None if self.said.is_empty() => id.to_string(),
            None => format!(",{id}"),
        };
        self.say(&piece).map_err(|failure| {
            self.failure = Some(failure);
            Error::Cancelled
        })
    }

    fn say(&mut self, piece: &str) -> io::Result<()> {
        self.said.push_str(piece);
        if !self.is_aloud {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(piece.as_bytes())?;
        out.flush()
    }

    /// Ends the line, and returns the whole text; `None` for ids.
    pub fn finish(mut self) -> Result<Option<String>> {
        let is_text = self.text.is_some();
        if let Some(text) = self.text.take() {
            let rest = text.finish()?;
            self.say(&rest)?;
        }
        if self.is_aloud {
            writeln!(io::stdout().lock())?;
        }
        Ok(is_text.then_some(self.said))
    }
}
