//! What the architectures cost, by formula.

use super::Sizes;

/// Numbers in an architecture's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// All of them, the embedding counted once.
    pub total: usize,
    /// V·C of the embedding.
    pub embedding: usize,
}

impl Count {
    /// All but the embedding.
    pub fn non_embedding(self) -> usize {
        self.total - self.embedding
    }
}

/// Which (query, key) pairs of self-attention in a decoder are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// All T², as an attention makes them that stores its scores.
    All,
    /// The T(T + 1)/2 of a causal mask, as a kernel makes them that skips the rest.
    Allowed,
}

impl Pairs {
    fn of_decoder(self, tokens: u64) -> u64 {
        match self {
            Pairs::All => tokens * tokens,
            Pairs::Allowed => tokens * (tokens + 1) / 2,
        }
    }
}

impl Sizes {
    /// 2·C·HD + 2·C·GD: queries and output, keys and values.
    fn attention(&self) -> usize {
        2 * self.width * self.head_size * (self.heads + self.kv_heads)
    }

    /// 3·C·F: gate, up and down.
    fn feed_forward_network(&self) -> usize {
        3 * self.width * self.feed_forward
    }

    /// Parameters of a decoder-only model: L(att + ffn + 2C) + C + V·C.
    ///
    /// ```
    /// use rankscope::model::architecture::Sizes;
    /// let sizes =
    ///     Sizes { width: 2048, heads: 16, kv_heads: 16, head_size: 128, feed_forward: 8192, vocab: 32768 };
    /// assert_eq!(sizes.decoder_only(16).total, 1_140_918_272); // DecLLM "1B"
    /// assert_eq!(sizes.encoder_decoder(7, 7).total, 1_124_149_248); // RedLLM "1B"
    /// ```
    pub fn decoder_only(&self, layers: usize) -> Count {
        let layer = self.attention() + self.feed_forward_network() + 2 * self.width;
        let embedding = self.vocab * self.width;
        Count { total: layers * layer + self.width + embedding, embedding }
    }

    /// Parameters of an encoder-decoder: Lₑ(att + ffn + 2C) + L_d(2 att + ffn + 3C) + 2C + V·C.
    pub fn encoder_decoder(&self, encoder_layers: usize, decoder_layers: usize) -> Count {
        let layer = self.attention() + self.feed_forward_network() + 2 * self.width;
        let cross = self.attention() + self.width;
        let embedding = self.vocab * self.width;
        let layers = encoder_layers * layer + decoder_layers * (layer + cross);
        Count { total: layers + 2 * self.width + embedding, embedding }
    }

    /// Operations of a decoder-only model over `tokens` positions, with the logits of `predicted` of them:
    /// 2 for each weight and token that visits it, 4·H·D for each (query, key) pair and layer.
    pub fn decoder_only_flops(&self, layers: usize, tokens: usize, predicted: usize, pairs: Pairs) -> u64 {
        let layer = (self.attention() + self.feed_forward_network()) as u64;
        let [layers, tokens] = [layers, tokens].map(|size| size as u64);
        2 * layers * layer * tokens
            + layers * self.of_pairs(pairs.of_decoder(tokens))
            + self.of_logits(predicted)
    }

    /// Operations of an encoder-decoder that reads `prompt` tokens and runs its decoder over `tokens −
    /// prompt`, all of which are predicted: the encoder's weights see the prompt, the decoder's the rest,
    /// and the cross-attention's keys and values are made of the prompt.
    pub fn encoder_decoder_flops(
        &self,
        [encoder_layers, decoder_layers]: [usize; 2],
        prompt: usize,
        tokens: usize,
        pairs: Pairs,
    ) -> u64 {
        let predicted = tokens - prompt;
        let layer = (self.attention() + self.feed_forward_network()) as u64;
        let cross_queries = 2 * (self.width * self.head_size * self.heads) as u64;
        let cross_keys = 2 * (self.width * self.head_size * self.kv_heads) as u64;
        let [encoder, decoder, k, t] =
            [encoder_layers, decoder_layers, prompt, predicted].map(|size| size as u64);
        let weights = encoder * layer * k + decoder * ((layer + cross_queries) * t + cross_keys * k);
        let seen = encoder * k * k + decoder * (pairs.of_decoder(t) + t * k);
        2 * weights + self.of_pairs(seen) + self.of_logits(predicted)
    }

    /// 4·H·D for each pair: a score and its part of the context.
    fn of_pairs(&self, pairs: u64) -> u64 {
        4 * (self.heads * self.head_size) as u64 * pairs
    }

    fn of_logits(&self, predicted: usize) -> u64 {
        2 * (self.vocab * self.width) as u64 * predicted as u64
    }
}
