//! The network itself: `multilingual-e5-small`, a BERT encoder of 12 layers (<https://arxiv.org/abs/2402.05672>).
//!
//! - The embedding table, three quarters of the weights, stays 4-bit and is looked up block by block
//!   (`GatherBlockQuantized`), regrouped from the packed order into ONNX's.
//! - Every matrix becomes int8 with one scale for each output; ONNX Runtime quantises what flows into it run by run
//!   (`DynamicQuantizeMatMul`). That is why a text's vector depends on what shares its run, and why the plugin runs one
//!   text at a time.
//! - Query, key and value are one multiplication. Token types are all 0, so their row is added to the positions here.
//! - Biases that a fused operator takes are handed to it: `SkipLayerNormalization`, `BiasGelu`.
//! - The mean over the tokens is a multiplication by the mask; dividing by their number is left to the normalisation.

use crate::{
    graph::{
        Attribute::Float, Attribute::Int, Dimension::Fixed, Dimension::Free, Element, Graph, MICROSOFT, STANDARD, value,
    },
    packed::{BLOCK, Packed},
};

type Result<T> = std::result::Result<T, String>;

/// The model as an ONNX file.
pub fn to_onnx(model: &Packed) -> Result<Vec<u8>> {
    let mut graph = Graph::default();
    let mut tokens = embed(&mut graph, model)?;
    for index in 0..model.shape.layers {
        tokens = Layer { model, index }.add(&mut graph, &tokens)?;
    }
    pool(&mut graph, &tokens);
    let input = |name| value(name, Element::I64, &[Free("batch"), Free("seq")]);
    let inputs = [input("input_ids"), input("attention_mask")];
    let output = value("sentence_embedding", Element::F32, &[Free("batch"), Fixed(model.shape.hidden)]);
    Ok(graph.into_file("multilingual-e5-small", &inputs, &[output]))
}

/// Word, position and token type, added and normalised. Also prepares the mask in both types it is needed in.
fn embed(graph: &mut Graph, model: &Packed) -> Result<String> {
    let shape = &model.shape;
    let (hidden, per_row) = (shape.hidden, shape.hidden / BLOCK);
    let (mut nibbles, mut scales) = (Vec::new(), Vec::new());
    for block in model.blocks("emb.word")? {
        scales.push(block.scale());
        // The packed 0..=15 become the signed -8..=7 by flipping the top bit; neighbours share a byte.
        let signed = |index| block.raw(index) ^ 8;
        nibbles.extend((0..BLOCK / 2).map(|pair| signed(2 * pair) | signed(2 * pair + 1) << 4));
    }
    graph.constant("emb.q", Element::I4, &[shape.vocabulary, hidden], &nibbles);
    graph.floats("emb.s", &[shape.vocabulary, per_row], &scales);
    let gather = [Int("gather_axis", 0), Int("quantize_axis", 1), Int("block_size", BLOCK as i64)];
    graph.node(MICROSOFT, "GatherBlockQuantized", &["emb.q", "input_ids", "emb.s"], &["we"], &gather);

    let token_type = model.floats("emb.type")?;
    let positions =
        model.floats("emb.pos")?.iter().enumerate().map(|(i, v)| v + token_type[i % hidden]).collect::<Vec<_>>();
    graph.floats("pos", &[shape.positions, hidden], &positions);
    graph.constant("c0", Element::I64, &[1], &0_i64.to_le_bytes());
    graph.constant("c1", Element::I64, &[1], &1_i64.to_le_bytes());
    graph.node(STANDARD, "Shape", &["input_ids"], &["len"], &[Int("start", 1), Int("end", 2)]);
    graph.node(STANDARD, "Slice", &["pos", "c0", "len", "c0"], &["pe"], &[]);
    graph.node(STANDARD, "Add", &["we", "pe"], &["e0"], &[]);
    let weight = graph.floats("eln.w", &[hidden], &model.floats("emb.ln.w")?);
    let bias = graph.floats("eln.b", &[hidden], &model.floats("emb.ln.b")?);
    let attributes = [Int("axis", -1), Float("epsilon", shape.epsilon)];
    let tokens = graph.node(STANDARD, "LayerNormalization", &["e0", &weight, &bias], &["x"], &attributes);

    graph.node(STANDARD, "Cast", &["attention_mask"], &["m32"], &[Int("to", Element::I32 as i64)]);
    graph.node(STANDARD, "Cast", &["attention_mask"], &["mf"], &[Int("to", Element::F32 as i64)]);
    Ok(tokens)
}

/// One layer of the encoder.
struct Layer<'a> {
    model: &'a Packed,
    index: usize,
}

impl Layer<'_> {
    fn add(&self, graph: &mut Graph, tokens: &str) -> Result<String> {
        let shape = &self.model.shape;
        let (hidden, heads) = (shape.hidden, shape.heads as i64);

        let weights = [self.weights("q.w")?, self.weights("k.w")?, self.weights("v.w")?].concat();
        let biases = [self.floats("q.b")?, self.floats("k.b")?, self.floats("v.b")?].concat();
        let bias = graph.floats(&self.name("qkv.b"), &[3 * hidden], &biases);
        let projected = self.linear(graph, tokens, "qkv", &weights, 3 * hidden, Some(&bias), "qkv");
        let [q, k, v] = ["q", "k", "v"].map(|name| self.name(name));
        graph.node(STANDARD, "Split", &[&projected], &[&q, &k, &v], &[Int("axis", -1), Int("num_outputs", 3)]);
        let attend = [q.as_str(), &k, &v, "", "m32"];
        let attended =
            graph.node(MICROSOFT, "MultiHeadAttention", &attend, &[&self.name("att")], &[Int("num_heads", heads)]);
        let attended = self.linear(graph, &attended, "ao", &self.weights("ao.w")?, hidden, None, "aoy");
        let tokens = self.add_and_normalise(graph, &attended, tokens, "aln", "ao.b", "x1")?;

        let inner = self.linear(graph, &tokens, "fi", &self.weights("fi.w")?, shape.feed_forward, None, "fiy");
        let bias = graph.floats(&self.name("fib"), &[shape.feed_forward], &self.floats("fi.b")?);
        let inner = graph.node(MICROSOFT, "BiasGelu", &[&inner, &bias], &[&self.name("g")], &[]);
        let outer = self.linear(graph, &inner, "fo", &self.weights("fo.w")?, hidden, None, "foy");
        self.add_and_normalise(graph, &outer, &tokens, "oln", "fo.b", "x2")
    }

    /// Multiplies by int8 weights: symmetric, one scale for each output, stored inputs by outputs.
    #[expect(clippy::too_many_arguments, reason = "each is one thing the node needs; a struct would be used once")]
    fn linear(
        &self,
        graph: &mut Graph,
        input: &str,
        name: &str,
        weights: &[f32],
        outputs: usize,
        bias: Option<&str>,
        output: &str,
    ) -> String {
        let inputs = weights.len() / outputs;
        let mut quantised = vec![0_u8; inputs * outputs];
        let mut scales = Vec::with_capacity(outputs);
        for (row, weights) in weights.chunks_exact(inputs).enumerate() {
            let largest = weights.iter().fold(0_f32, |largest, weight| largest.max(weight.abs()));
            let scale = largest.max(1e-12) / 127.0;
            for (column, weight) in weights.iter().enumerate() {
                quantised[column * outputs + row] =
                    ((weight / scale).round().clamp(-127.0, 127.0) as i8).cast_unsigned();
            }
            scales.push(scale);
        }
        let part = |suffix: &str| self.name(&format!("{name}.{suffix}"));
        let weights = graph.constant(&part("w"), Element::I8, &[inputs, outputs], &quantised);
        let scales = graph.floats(&part("s"), &[outputs], &scales);
        let zeros = graph.constant(&part("z"), Element::I8, &[outputs], &vec![0; outputs]);
        let mut operands = vec![input, &weights, &scales, &zeros];
        operands.extend(bias);
        graph.node(MICROSOFT, "DynamicQuantizeMatMul", &operands, &[&self.name(output)], &[])
    }

    /// Adds the bias and what went round, then normalises.
    fn add_and_normalise(
        &self,
        graph: &mut Graph,
        new: &str,
        round: &str,
        norm: &str,
        bias: &str,
        output: &str,
    ) -> Result<String> {
        let hidden = [self.model.shape.hidden];
        let part = |suffix: &str| format!("{norm}.{suffix}");
        let weight = graph.floats(&self.name(&part("w")), &hidden, &self.floats(&part("w"))?);
        let shift = graph.floats(&self.name(&part("b")), &hidden, &self.floats(&part("b"))?);
        let bias = graph.floats(&self.name(&part("c")), &hidden, &self.floats(bias)?);
        let operands = [new, round, weight.as_str(), &shift, &bias];
        let epsilon = [Float("epsilon", self.model.shape.epsilon)];
        Ok(graph.node(MICROSOFT, "SkipLayerNormalization", &operands, &[&self.name(output)], &epsilon))
    }

    /// The layer's name for a tensor, the same in the packed model and in the graph.
    fn name(&self, tensor: &str) -> String {
        format!("l{}.{tensor}", self.index)
    }

    fn weights(&self, tensor: &str) -> Result<Vec<f32>> {
        self.model.weights(&self.name(tensor))
    }

    fn floats(&self, tensor: &str) -> Result<Vec<f32>> {
        self.model.floats(&self.name(tensor))
    }
}

/// Sums the tokens under the mask and brings the sum to unit length, which makes it the normalised mean.
fn pool(graph: &mut Graph, tokens: &str) {
    graph.node(STANDARD, "Unsqueeze", &["mf", "c1"], &["mf1"], &[]);
    graph.node(STANDARD, "MatMul", &["mf1", tokens], &["s3"], &[]);
    graph.node(STANDARD, "Squeeze", &["s3", "c1"], &["sum"], &[]);
    graph.node(STANDARD, "LpNormalization", &["sum"], &["sentence_embedding"], &[Int("axis", -1), Int("p", 2)]);
}
