//! Each target once over its committed corpus, and what the guest `calls` reaches.

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use fuzz_targets::{Findings, Place, TARGETS, Target};
    use plugin_host::CompilerCommand;
    use wit_component::DecodedWasm;
    use wit_parser::{Resolve, WorldItem};

    /// The compiler that Cargo builds beside the tests.
    fn place() -> Place {
        let test = std::env::current_exe().unwrap();
        let built = test.parent().and_then(Path::parent).unwrap();
        let program = built.join("examples/compile_child");
        assert!(
            program.exists(),
            "run `cargo build -p plugin-host --example compile_child` first"
        );
        Place::new(CompilerCommand {
            program,
            args: Vec::new(),
        })
    }

    /// In one test, since a panic on any thread is a finding: nobody else may have one meanwhile.
    #[test]
    fn every_input_of_the_corpus_is_harmless() {
        let (findings, place) = (Findings::counted(), place());
        for target in TARGETS {
            let Target { name, ready, .. } = target;
            let take = ready(&place);
            let folder = Place::corpus(name);
            let files: BTreeSet<_> = fs::read_dir(&folder)
                .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
                .map(|entry| entry.unwrap().path())
                .collect();
            assert!(!files.is_empty(), "{name} has no corpus");
            for file in files {
                take(&fs::read(&file).unwrap());
                assert_eq!(findings.count(), 0, "{} is a finding", file.display());
            }
            // What was begun ends with the target.
            drop(take);
            assert_eq!(findings.count(), 0, "{name} does not end well");
        }
    }

    #[test]
    fn every_folder_of_the_corpus_is_of_a_target() {
        let folders: BTreeSet<_> = fs::read_dir(Place::corpus(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let targets: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
        assert_eq!(folders, targets);
    }

    /// The functions of every interface of the contract that a world imports, methods and destructors among them.
    fn imported(resolve: &Resolve, world: wit_parser::WorldId) -> BTreeSet<String> {
        let mut functions = BTreeSet::new();
        for (key, item) in &resolve.worlds[world].imports {
            let WorldItem::Interface { id, .. } = item else {
                continue;
            };
            let interface = resolve.name_world_key(key);
            if !interface.starts_with("taskcluster:plugin/") {
                continue;
            }
            for function in resolve.interfaces[*id].functions.keys() {
                functions.insert(format!("{interface}#{function}"));
            }
        }
        functions
    }

    #[test]
    fn the_guest_of_host_functions_calls_every_function_of_the_contract() {
        let wasm = fs::read(place().guests.join("calls.wasm")).expect("run `make test-plugins`");
        let DecodedWasm::Component(guest, of_guest) = wit_component::decode(&wasm).unwrap() else {
            panic!("the guest is no component");
        };
        let mut contract = Resolve::default();
        let (package, _) = contract
            .push_path(Place::repository().join("wit/plugin.wit"))
            .unwrap();
        let world = contract.select_world(&[package], Some("rust-plugin")).unwrap();
        let offered = imported(&contract, world);
        assert!(offered.len() > 25, "{offered:?}");
        assert_eq!(imported(&guest, of_guest), offered);
    }
}
