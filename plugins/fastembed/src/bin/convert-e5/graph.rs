//! An ONNX graph under construction. Field numbers are those of `onnx.proto` (IR version 10).

use crate::protobuf::Message;

/// Operators that ONNX Runtime adds to the standard ones.
pub const MICROSOFT: &str = "com.microsoft";
/// The standard operators.
pub const STANDARD: &str = "";

const IR_VERSION: i64 = 10;
const STANDARD_OPSET: i64 = 21;
const MICROSOFT_OPSET: i64 = 1;

/// Type of a tensor's elements, by `TensorProto.DataType`.
#[derive(Clone, Copy)]
pub enum Element {
    /// 32-bit float.
    F32 = 1,
    /// 8-bit integer.
    I8 = 3,
    /// 32-bit integer.
    I32 = 6,
    /// 64-bit integer.
    I64 = 7,
    /// 4-bit integer, two in a byte, the first in the low half.
    I4 = 22,
}

/// A node's attribute.
pub enum Attribute {
    /// A whole number.
    Int(&'static str, i64),
    /// A float.
    Float(&'static str, f32),
}

/// One side of an input or output.
pub enum Dimension {
    /// Whatever the caller brings, under this name.
    Free(&'static str),
    /// Exactly this long.
    Fixed(usize),
}

/// Nodes and constants, in the order they were added.
#[derive(Default)]
pub struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
}

impl Graph {
    /// Adds a constant of raw little-endian bytes and gives back its name.
    pub fn constant(&mut self, name: &str, element: Element, dimensions: &[usize], bytes: &[u8]) -> String {
        let tensor = dimensions.iter().fold(Message::default(), |tensor, side| tensor.int(1, *side as i64));
        self.constants.push(tensor.int(2, element as i64).string(8, name).bytes(9, bytes));
        name.into()
    }

    /// Adds a constant of floats and gives back its name.
    pub fn floats(&mut self, name: &str, dimensions: &[usize], values: &[f32]) -> String {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, Element::F32, dimensions, &bytes)
    }

    /// Adds a node, named after its first output, and gives back that name. An empty input is one left out.
    pub fn node(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[Attribute],
    ) -> String {
        let node = inputs.iter().fold(Message::default(), |node, input| node.string(1, input));
        let node = outputs.iter().fold(node, |node, output| node.string(2, output));
        let node = node.string(3, outputs[0]).string(4, operator);
        let node = attributes.iter().fold(node, |node, attribute| node.message(5, &attribute.encode()));
        self.nodes.push(if domain.is_empty() { node } else { node.string(7, domain) });
        outputs[0].into()
    }

    /// The finished file.
    pub fn into_file(self, name: &str, inputs: &[Message], outputs: &[Message]) -> Vec<u8> {
        let graph = Message::default().messages(1, &self.nodes).string(2, name).messages(5, &self.constants);
        let graph = graph.messages(11, inputs).messages(12, outputs);
        let opset = |domain, version| Message::default().string(1, domain).int(2, version);
        Message::default()
            .int(1, IR_VERSION)
            .string(2, "e5q4-to-onnx")
            .message(7, &graph)
            .message(8, &opset(STANDARD, STANDARD_OPSET))
            .message(8, &opset(MICROSOFT, MICROSOFT_OPSET))
            .into_bytes()
    }
}

impl Attribute {
    fn encode(&self) -> Message {
        match self {
            Self::Int(name, value) => Message::default().string(1, name).int(3, *value).int(20, 2),
            Self::Float(name, value) => Message::default().string(1, name).float(2, *value).int(20, 1),
        }
    }
}

/// Describes an input or output of the graph.
pub fn value(name: &str, element: Element, dimensions: &[Dimension]) -> Message {
    let sides = dimensions.iter().fold(Message::default(), |sides, dimension| {
        let side = match dimension {
            Dimension::Free(name) => Message::default().string(2, name),
            Dimension::Fixed(length) => Message::default().int(1, *length as i64),
        };
        sides.message(1, &side)
    });
    let tensor = Message::default().int(1, element as i64).message(2, &sides);
    Message::default().string(1, name).message(2, &Message::default().message(1, &tensor))
}
