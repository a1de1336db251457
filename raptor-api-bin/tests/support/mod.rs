//! What the tests of the router and those of the programs share: bodies, and what calls of the client came to.

pub mod bodies;

use raptor_client::api::{Error, ResponseValue, types::Problem};

/// What a call of the client came to.
pub type Answer<T> = Result<ResponseValue<T>, Error<Problem>>;

/// Reads an [`Answer`] as the test expects it.
pub trait Answered<T> {
    /// What was answered, with the status that the document has for success; anything else fails the test.
    fn done(self) -> T;
    /// Why it was refused; fails the test where it was not, or by an answer that is no problem of the document.
    fn refused(self) -> Problem;
}

impl<T> Answered<T> for Answer<T> {
    fn done(self) -> T {
        match self {
            Ok(answer) => answer.into_inner(),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn refused(self) -> Problem {
        match self {
            Err(Error::ErrorResponse(problem)) => {
                assert_eq!(problem.status().as_u16(), problem.status, "{problem:?}");
                problem.into_inner()
            }
            Err(error) => panic!("no problem was answered: {error:?}"),
            Ok(answer) => panic!("it was not refused but answered with {}", answer.status()),
        }
    }
}
