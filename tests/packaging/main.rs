//! What operators install and watch: the metrics of a live node and their names, dashboards, alerts
//! and runbook that speak of them.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod alerts;
mod exposition;
mod logs;
mod metrics;
mod packages;
mod tools;
mod units;
