//! [`Edited`]: a copy of a model folder, changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use tempfile::TempDir;

use crate::support::*;

/// Dtype, shape and bytes of tensors, by name.
pub type Tensors = BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)>;

pub struct Edited(TempDir);

impl Edited {
    /// A copy of a folder of the fixtures.
    pub fn of(folder: impl AsRef<Path>) -> Self {
        let (folder, copy) = (fixtures().join(folder), tempfile::tempdir().unwrap());
        for file in ["config.json", "model.safetensors"] {
            fs::copy(folder.join(file), copy.path().join(file)).unwrap();
        }
        Edited(copy)
    }

    /// A small model, saved.
    pub fn saved(entry: &Entry) -> Self {
        let folder = tempfile::tempdir().unwrap();
        entry.model().record().save(folder.path()).unwrap();
        Edited(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// With another text of its configuration.
    pub fn written(self, config: &str) -> Self {
        fs::write(self.file("config.json"), config).unwrap();
        self
    }

    /// With other fields of its configuration.
    pub fn with(self, fields: &Value) -> Self {
        let config = merged(&read_json(&self.file("config.json")), fields);
        self.written(&config.to_string())
    }

    /// Without fields of its configuration.
    pub fn without(self, fields: &[&str]) -> Self {
        let mut config = read_json(&self.file("config.json"));
        for name in fields {
            config.as_object_mut().unwrap().remove(*name).unwrap_or_else(|| panic!("{name} is stated"));
        }
        self.written(&config.to_string())
    }

    pub fn tensors(self, edit: impl FnOnce(&mut Tensors)) -> Self {
        let path = self.file("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let own = |view: TensorView<'_>| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
        let mut tensors: Tensors = file.tensors().into_iter().map(|(name, view)| (name, own(view))).collect();
        edit(&mut tensors);
        let views = tensors.iter().map(|(name, (dtype, shape, data))| {
            (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let whole = safetensors::serialize(views, Some(metadata)).unwrap();
        // A new file: the old one may be open.
        fs::remove_file(&path).unwrap();
        fs::write(path, whole).unwrap();
        self
    }

    /// With every tensor under the names that `names` returns for its own name.
    pub fn renamed(self, names: impl Fn(&str) -> Vec<String>) -> Self {
        self.tensors(|tensors| {
            let all = std::mem::take(tensors).into_iter();
            tensors.extend(all.flat_map(|(name, tensor)| {
                names(&name).into_iter().map(move |name| (name, tensor.clone())).collect::<Vec<_>>()
            }));
        })
    }

    /// With a tensor of zeros beside the others.
    pub fn added(self, name: &str, shape: &[usize]) -> Self {
        let zeros = vec![0; 4 * shape.iter().product::<usize>()];
        self.tensors(|tensors| {
            tensors.insert(name.to_owned(), (safetensors::Dtype::F32, shape.to_vec(), zeros));
        })
    }

    pub fn load(&self) -> Result<Box<dyn Model>> {
        model::load(self.path(), &Device::Cpu)
    }

    pub fn model(&self) -> Box<dyn Model> {
        self.load().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The error of loading it.
    #[track_caller]
    pub fn said(&self) -> String {
        said(self.load())
    }
}
