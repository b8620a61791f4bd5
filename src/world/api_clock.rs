//! By how much the operator's clock differs from the API server's, which dates every object: what has
//! had its time is decided by one clock.

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::GetParams;
use kube::client::Body;

use super::job_end;
use super::late_backup::missed;
use super::{Fact, Reader};
use crate::api::ProtectedDatabase;
use crate::guard;

/// What every client may read, and costs the API server nothing.
const ASKED: &str = "version";

impl Reader {
    /// By how many seconds this clock is ahead of the API server's, asked only where something waits for a
    /// time to pass: an agent that has to begin, a backup that seems to be late, a confirmation
    /// on one of the objects. Elsewhere it is 0.
    pub(super) async fn clock_where_needed(
        &self,
        database: &ProtectedDatabase,
        jobs: &Fact<Vec<Job>>,
        cron_job: &Fact<Option<CronJob>>,
        mut objects: impl Iterator<Item = &ObjectMeta>,
    ) -> Fact<i64> {
        let mut jobs = jobs.known().into_iter().flatten();
        let now = Timestamp::now().as_second();
        if jobs.any(|job| job_end(job).is_none())
            || missed(database, cron_job, now).is_some()
            || objects.any(guard::is_confirmed_at_all)
        {
            self.clock_ahead().await
        } else {
            Fact::Known(0)
        }
    }

    /// The time by the clock of the API server.
    pub async fn server_time(&self) -> Fact<Timestamp> {
        self.clock_ahead().await.map(|ahead| {
            let now = Timestamp::now();
            now.checked_sub(SignedDuration::from_secs(ahead))
                .unwrap_or(now)
        })
    }

    /// By how many seconds this clock is ahead of the API server's, by the date of an answer.
    async fn clock_ahead(&self) -> Fact<i64> {
        let unknown =
            |why: String| Fact::Unknown(format!("could not read the API server's time: {why}"));
        let request = kube::core::Request::new("").get(ASKED, &GetParams::default());
        let request = match request {
            Ok(request) => request.map(Body::from),
            Err(error) => return unknown(error.to_string()),
        };
        let answer = match self.client.send(request).await {
            Ok(answer) => answer,
            Err(error) => return unknown(error.to_string()),
        };
        let date = answer.headers().get("date");
        let date = date.and_then(|date| date.to_str().ok());
        match date.and_then(read_date) {
            Some(date) => Fact::Known(Timestamp::now().as_second() - date.as_second()),
            None => unknown("its answer has no date".to_owned()),
        }
    }
}

fn read_date(text: &str) -> Option<Timestamp> {
    Some(rfc2822::parse(text).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let read = |text: &str| read_date(text).map(|date| date.to_string());
        let date = read("Fri, 27 Nov 2026 01:41:19 GMT");
        assert_eq!(date.as_deref(), Some("2026-11-27T01:41:19Z"));
        assert_eq!(read("tomorrow"), None);
    }
}
