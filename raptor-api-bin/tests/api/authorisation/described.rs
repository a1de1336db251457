//! What the OpenAPI document says of the permissions that an operation takes.

use super::{Takes, operations, table};

/// `Requires …` at the end of an operation's description names every permission that the table says, those of all its cases.
#[test]
fn the_description_of_an_operation_names_the_permissions_that_it_takes() {
    let document = raptor_api::openapi();
    let mut wrong = Vec::new();
    for row in table::rows() {
        let (_, _, operation) = operations(&document)
            .find(|(_, _, operation)| operation["operationId"] == row.operation)
            .unwrap();
        let description = operation["description"].as_str().unwrap_or_default();
        let required = description.rsplit_once("Requires ").map(|(_, required)| required);
        if let (Takes::Nothing | Takes::SignIn | Takes::Other, Some(required)) = (&row.takes, required) {
            wrong.push(format!("{} takes no permission, and says that it requires {required}", row.name()));
        }
        for right in row.rights() {
            if !required.is_some_and(|required| required.contains(&format!("`{}`", right.name()))) {
                wrong.push(format!(
                    "{} requires `{}`, and does not say so: {description}",
                    row.name(),
                    right.name()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
