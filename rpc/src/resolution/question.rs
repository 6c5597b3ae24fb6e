//! What one request asks.

use allod_rpc_api::limits::DID_PARAMETERS_MAX;

use super::accept::{Form, Old};
use super::did_url::{self, DidUrl, DidUrlError};
use super::options::{Options, from_body};
use super::problem::{Problem, ProblemKind};

/// One of the two functions of DID Resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Resolve,
    Dereference,
}

/// How the answer is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) function: Function,
    pub(super) form: Form,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) url: DidUrl,
    pub(super) options: Options,
}

/// The parts of a request that matter, still unread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// What follows the binding's prefix in the path.
    pub(super) identifier: &'a str,
    /// The query, without `?`.
    pub(super) query: Option<&'a str>,
    /// The body of a POST.
    pub(super) body: &'a [u8],
}

/// Reads a request. Even where that fails, the shape says how to tell it.
pub(super) fn read(asked: Asked<'_>, forms: &[Form]) -> (Shape, Result<Question, Problem>) {
    let question = read_question(asked, forms);
    let function = |is_of_dereferencing: bool| match is_of_dereferencing {
        true => Function::Dereference,
        false => Function::Resolve,
    };
    let called_for = match &question {
        Ok(it) => {
            let url = &it.url;
            let is_url = !url.path.is_empty() || url.fragment.is_some();
            function(is_url || it.options.is_of_dereferencing())
        }
        Err(problem) => function(problem.kind == ProblemKind::InvalidDidUrl),
    };
    let lists_fit = matches!(&question, Ok(it) if it.options.selects_services());
    let form = forms.iter().find(|it| **it != Form::UriList || lists_fit);
    let Some(form) = form.copied() else {
        let shape = Shape {
            function: called_for,
            form: Form::Any,
        };
        let detail = "no media type of the Accept header is served here";
        let problem = ProblemKind::RepresentationNotSupported.because(detail);
        return (shape, question.and(Err(problem)));
    };
    let function = function_of(form).unwrap_or(called_for);
    let shape = Shape { function, form };
    let question = question.and_then(|it| fits(it, shape));
    (shape, question)
}

fn read_question(asked: Asked<'_>, forms: &[Form]) -> Result<Question, Problem> {
    let function = forms.first().copied().and_then(function_of);
    let dereferences = function == Some(Function::Dereference);
    let url = DidUrl::from_path(asked.identifier).map_err(|error| {
        let is_did = error == DidUrlError::Did || !asked.identifier.contains(['/', '?', '#', '%']);
        let kind = match is_did && !dereferences {
            true => ProblemKind::InvalidDid,
            false => ProblemKind::InvalidDidUrl,
        };
        kind.because(error.to_string())
    })?;
    let queried = asked.query.map(did_url::parameters).transpose();
    let queried =
        queried.map_err(|error| ProblemKind::InvalidOptions.because(error.to_string()))?;
    let mut given = url.parameters.clone();
    given.extend(queried.unwrap_or_default());
    given.extend(from_body(asked.body)?);
    if given.len() > DID_PARAMETERS_MAX {
        let detail = format!("more than {DID_PARAMETERS_MAX} parameters and options");
        return Err(ProblemKind::InvalidOptions.because(detail));
    }
    let options = Options::read(&given)?;
    Ok(Question { url, options })
}

/// Returns the function that a whole result of this form is of, if it says one.
const fn function_of(form: Form) -> Option<Function> {
    match form {
        Form::Resolution | Form::Old(Old::Resolution) => Some(Function::Resolve),
        Form::Dereferencing | Form::Old(Old::Dereferencing) => Some(Function::Dereference),
        Form::Any | Form::Bare(_) | Form::UriList => None,
    }
}

/// Refuses what the function, or the form, has no place for.
fn fits(question: Question, shape: Shape) -> Result<Question, Problem> {
    let url = &question.url;
    if shape.function == Function::Resolve {
        if !url.path.is_empty() || url.fragment.is_some() {
            let detail = "a DID URL with a path or a fragment is dereferenced, not resolved";
            return Err(ProblemKind::InvalidDid.because(detail));
        }
        if question.options.is_of_dereferencing() {
            let detail = "services and relationships are of dereferencing, not of resolution";
            return Err(ProblemKind::FeatureNotSupported.because(detail));
        }
    }
    let has_no_place = matches!(shape.form, Form::Bare(_) | Form::UriList);
    if question.options.proof && (has_no_place || question.options.relative_ref.is_some()) {
        let detail = "a proof comes with a whole result only: ask for application/did-resolution";
        return Err(ProblemKind::InvalidOptions.because(detail));
    }
    Ok(question)
}
