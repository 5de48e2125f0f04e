//! Where the files are.

use std::{
    env::{
        self,
        consts::{DLL_PREFIX, DLL_SUFFIX},
    },
    path::{Path, PathBuf},
};

use consigne_sdk::{PluginError, PluginErrorKind, Result};

/// ONNX Runtime: the path that was given, or else the parts folder, or else beside the running binary.
///
/// # Errors
/// `Unavailable` where the library is in none of these places, or not at the path that was given.
pub(crate) fn onnxruntime(parts: &Path, given: Option<&Path>) -> Result<PathBuf> {
    let name = format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}");
    let in_parts = parts.join("onnxruntime").join(&name);
    let beside_binary = || Some(env::current_exe().ok()?.with_file_name(&name));
    let candidates = match given {
        Some(path) => vec![path.to_path_buf()],
        None => [Some(in_parts), beside_binary()].into_iter().flatten().collect(),
    };
    let found = candidates.iter().find(|path| path.is_file());
    let found = found.ok_or_else(|| missing("ONNX Runtime", &candidates[0]))?;
    std::path::absolute(found).map_err(|_| missing("ONNX Runtime", found))
}

/// The error for a part that is not there: says which, where it was looked for, and what brings it.
pub(crate) fn missing(what: &str, path: &Path) -> PluginError {
    let message = format!("{what} is not at {}: run `make parts`", path.display());
    PluginError::new(PluginErrorKind::Unavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_was_named_is_not_looked_for_elsewhere() {
        let error = onnxruntime(Path::new("/parts"), Some(Path::new("/opt/ort.so"))).unwrap_err();
        assert_eq!(error.kind, PluginErrorKind::Unavailable);
        assert_eq!(error.message, "ONNX Runtime is not at /opt/ort.so: run `make parts`");
    }
}
