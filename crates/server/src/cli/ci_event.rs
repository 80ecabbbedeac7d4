//! `keywright ci-event`: what a pipeline did, for the audit trail.

use clap::Args;
use serde_json::{Map, Value, json};

use super::failure::{Failure, Outcome};
use super::globals::{Environment, process_environment};
use super::output::details::text;
use super::output::text::escape;
use super::session::Session;

/// Record what a pipeline did.
#[derive(Args, Debug)]
pub(crate) struct CiEvent {
    /// What happened, such as deployment: lower-case letters, digits, '_', '-' and '.'
    #[arg(long = "type", value_name = "TYPE")]
    type_: String,

    /// How it went, such as success
    #[arg(long, value_name = "STATUS")]
    status: String,

    /// The repository; without it `GITHUB_REPOSITORY`
    #[arg(long, value_name = "NAME")]
    repository: Option<String>,

    /// The workflow; without it `GITHUB_WORKFLOW`
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,

    /// Its run; without it `GITHUB_RUN_ID`
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,

    /// The commit; without it `GITHUB_SHA`
    #[arg(long, value_name = "SHA")]
    commit: Option<String>,

    /// The environment, such as production
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,

    /// Anything more; may be repeated. No secrets: it is kept for as long as the audit trail
    #[arg(long = "detail", value_name = "KEY=VALUE")]
    details: Vec<String>,
}

impl CiEvent {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        let body = self.body(&Environment(&process_environment))?;
        let answer = session.create("/audit/cicd-event", body).await?;
        let output = session.output;
        if output.json {
            return output.answer(&answer);
        }
        if output.quiet {
            return output.line(&escape(text(&answer.json, "id")));
        }
        let [kind, id] = ["type", "id"].map(|name| escape(text(&answer.json, name)));
        output.line(&format!("recorded {kind} as {id}"))
    }

    fn body(&self, environment: &Environment<'_>) -> Result<Value, Failure> {
        let mut body = json!({ "event_type": self.type_, "status": self.status });
        for (field, given, variable) in [
            ("repository", &self.repository, Some("GITHUB_REPOSITORY")),
            ("workflow", &self.workflow, Some("GITHUB_WORKFLOW")),
            ("run_id", &self.run_id, Some("GITHUB_RUN_ID")),
            ("commit", &self.commit, Some("GITHUB_SHA")),
            ("environment", &self.environment, None),
        ] {
            let default = || variable.and_then(|name| environment.first(&[name]));
            if let Some(value) = given.clone().or_else(default) {
                body[field] = value.into();
            }
        }
        let mut details = Map::new();
        for pair in &self.details {
            let (key, value) = pair
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| Failure::Usage("--detail: give KEY=VALUE".to_owned()))?;
            if details.insert(key.to_owned(), value.into()).is_some() {
                return Err(Failure::Usage(format!("--detail {key}: given twice")));
            }
        }
        if !details.is_empty() {
            body["details"] = details.into();
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        event: CiEvent,
    }

    fn body(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Value, Failure> {
        let line = ["ci-event", "--type", "deployment", "--status", "success"];
        let event = Line::parse_from(line.iter().chain(arguments)).event;
        let look_up =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        event.body(&Environment(&look_up))
    }

    #[test]
    fn a_pipeline_of_github_says_where_it_runs_by_itself() {
        let variables = [
            ("GITHUB_REPOSITORY", "songtrust/catalog"),
            ("GITHUB_WORKFLOW", "Deploy"),
            ("GITHUB_RUN_ID", "42"),
            ("GITHUB_SHA", "1f00"),
        ];
        let told = body(&["--workflow", "Other", "--environment", "production"], &variables).unwrap();
        assert_eq!(
            told,
            json!({
                "event_type": "deployment", "status": "success", "repository": "songtrust/catalog",
                "workflow": "Other", "run_id": "42", "commit": "1f00", "environment": "production",
            })
        );
        let bare = body(&[], &[("GITHUB_SHA", "")]).unwrap();
        assert_eq!(bare, json!({ "event_type": "deployment", "status": "success" }));
    }

    #[test]
    fn details_are_pairs_each_once() {
        let told = body(&["--detail", "a=b=c", "--detail", "d="], &[]).unwrap();
        assert_eq!(told["details"], json!({ "a": "b=c", "d": "" }));
        for wrong in [&["--detail", "a"][..], &["--detail", "=a"], &["--detail", "a=1", "--detail", "a=2"]] {
            assert_eq!(body(wrong, &[]).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }
}
