//! `plenum template`: layouts of somebody's own.

use super::client::{Client, segment};
use super::table::Table;
use super::{Arguments, Failure, say};
use clap::Subcommand;
use plenum::http::control::view::{Rectangles, TemplateView};

/// What `plenum template` is told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Lists the templates, those of the configuration first.
    List,
    /// Makes a template, in the place of another one of this name.
    Put {
        /// Its name, by which `plenum conference layout` chooses it.
        name: String,
        /// Its panes in order: `x,y,width,height` in shares of the picture, with a fifth number where panes lie upon
        /// each other.
        #[arg(required = true, value_parser = pane)]
        panes: Vec<Pane>,
    },
    /// Deletes a template. Who uses it goes on with it.
    Delete {
        /// Its name.
        name: String,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Pane(Vec<f64>);

/// Carries out `plenum template`.
pub(crate) fn run(arguments: Arguments<Order>) -> Result<(), Failure> {
    let client = Client::new(arguments.config.as_deref())?;
    let path = |name: &str| format!("/templates/{}", segment(name));
    match arguments.order {
        Order::List => {
            let all: Vec<TemplateView> = client.get("/templates")?;
            say(&describe(all))
        }
        Order::Put { name, panes } => {
            let panes = panes.into_iter().map(|pane| pane.0).collect();
            client.put(&path(&name), &Rectangles { panes })
        }
        Order::Delete { name } => client.delete(&path(&name)),
    }
}

fn pane(text: &str) -> Result<Pane, String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|word| word.trim().parse()).collect();
    let numbers = numbers.map_err(|error| format!("{text}: {error}"))?;
    Ok(Pane(numbers))
}

fn describe(all: Vec<TemplateView>) -> String {
    if all.is_empty() {
        return "there is no template".to_owned();
    }
    let mut table = Table::new(["NAME", "FROM", "PANES"]);
    for one in all {
        let words = |pane: &Vec<f64>| {
            let numbers: Vec<String> = pane.iter().map(f64::to_string).collect();
            numbers.join(",")
        };
        let panes: Vec<String> = one.panes.iter().map(words).collect();
        let from = if one.configured { "file" } else { "API" };
        table.row([one.name, from.to_owned(), panes.join(" ")]);
    }
    table.print()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_described_in_a_table() {
        let text = r#"[{"name": "stage", "panes": [[0, 0, 1, 1], [0.05, 0.75, 0.2, 0.2, 1]],
            "configured": true}]"#;
        let all: Vec<TemplateView> = serde_json::from_str(text).unwrap();
        let expected = "\
NAME   FROM  PANES
stage  file  0,0,1,1 0.05,0.75,0.2,0.2,1";
        assert_eq!(describe(all), expected);
        assert_eq!(describe(Vec::new()), "there is no template");
    }

    #[test]
    fn a_pane_is_read_as_numbers() {
        assert_eq!(pane("0, 0,0.5,1").unwrap().0, [0.0, 0.0, 0.5, 1.0]);
        assert!(pane("0,zero").is_err());
    }
}
