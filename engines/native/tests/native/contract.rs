//! What every engine has to keep to.

use engine_api::conformance::{self, ArtifactsCase, EndlessCase, EnvironmentCase, LoggingCase};

use crate::{
    kit::{Kit, shell},
    runner::tests,
};

tests![
    keeps_to_the_contract_of_logging,
    keeps_to_the_contract_of_the_environment,
    keeps_to_the_contract_of_artifacts,
    keeps_to_the_contract_of_kill,
    keeps_to_the_contract_of_abort,
    keeps_to_the_contract_of_discard,
    keeps_to_the_contract_of_dispose,
];

fn endless() -> EndlessCase {
    EndlessCase {
        payload: shell("printf '%s runs\\n' it; sleep 1000"),
        target: "it runs",
    }
}

async fn keeps_to_the_contract_of_logging() {
    let case = LoggingCase {
        target: "hello world",
        printing: shell("printf 'hello %s\\n' world"),
        failing: shell("printf 'hello %s\\n' world; exit 3"),
        silent: shell("true"),
    };
    conformance::logging(&Kit::new().suite, &case).await;
}

async fn keeps_to_the_contract_of_the_environment() {
    let case = EnvironmentCase {
        variable: "GREETING",
        printing: shell("echo $GREETING"),
        invalid_names: vec!["", "A=B", "=", "A\0B"],
    };
    conformance::environment(&Kit::new().suite, &case).await;
}

async fn keeps_to_the_contract_of_artifacts() {
    let script = "mkdir -p out/deep/er; printf A >a.txt; printf B >out/b.txt; printf C >out/deep/er/c.txt; mkdir out/empty";
    let case = ArtifactsCase {
        payload: shell(script),
        file: ("a.txt", "A"),
        missing: "nothing/here",
        folder: "out",
        files: vec![("b.txt", "B"), ("deep/er/c.txt", "C")],
    };
    conformance::artifacts(&Kit::new().suite, &case).await;
}

async fn keeps_to_the_contract_of_kill() {
    conformance::kill(&Kit::new().suite, &endless()).await;
}

async fn keeps_to_the_contract_of_abort() {
    conformance::abort(&Kit::new().suite, &endless()).await;
}

async fn keeps_to_the_contract_of_discard() {
    conformance::discard(&Kit::new().suite, &endless()).await;
}

async fn keeps_to_the_contract_of_dispose() {
    conformance::dispose(&Kit::new().suite, &endless()).await;
}
