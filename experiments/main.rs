//! The binary: the registry of experiments and their own text, and nothing else.

mod data;
mod process_supervision;
mod real_models;
mod rest;
mod reward_kl;
mod statistics;
#[cfg(test)]
mod tests;
mod vanishing_gradients;
mod weak_to_strong;

use rewardlab::experiment::{Runnable, entry};
use rewardlab::report::site::Sources;
use rust_embed::RustEmbed;
use std::process::ExitCode;

/// Every experiment, in the order in which they are listed and judged.
fn registry() -> Vec<Box<dyn Runnable>> {
    vec![
        entry::<vanishing_gradients::theorem1::Theorem1>(),
        entry::<vanishing_gradients::ppo_bound::PpoBound>(),
        entry::<vanishing_gradients::separation::Separation>(),
        entry::<vanishing_gradients::controlled::Controlled>(),
        entry::<vanishing_gradients::controlled_text::ControlledText>(),
        entry::<vanishing_gradients::scatter::Scatter>(),
        entry::<vanishing_gradients::correlation::Correlation>(),
        entry::<vanishing_gradients::remedies::Remedies>(),
        entry::<vanishing_gradients::partial_sft::PartialSft>(),
        entry::<vanishing_gradients::reward_teacher::RewardTeacher>(),
        entry::<vanishing_gradients::group_normalisation::GroupNormalisation>(),
        entry::<vanishing_gradients::benchmark::Benchmark>(),
        entry::<vanishing_gradients::remedies_text::RemediesText>(),
        entry::<vanishing_gradients::partial_sft_text::PartialSftText>(),
        entry::<vanishing_gradients::estimators::Estimators>(),
        entry::<vanishing_gradients::kl_estimators::KlEstimators>(),
        entry::<reward_kl::closed_form::ClosedForm>(),
        entry::<reward_kl::frontier_exact::FrontierExact>(),
        entry::<reward_kl::frontier::Frontier>(),
        entry::<reward_kl::gradient_weight::GradientWeight>(),
        entry::<reward_kl::temperature::Temperature>(),
        entry::<reward_kl::dialogue::Dialogue>(),
        entry::<reward_kl::shift::Shift>(),
        entry::<reward_kl::judges::Judges>(),
        entry::<reward_kl::best_of_n::BestOfN>(),
        entry::<reward_kl::variants::Variants>(),
        entry::<reward_kl::displacement::Displacement>(),
        entry::<reward_kl::overoptimisation::Overoptimisation>(),
        entry::<rest::operators::Operators>(),
        entry::<rest::improve::Improve>(),
        entry::<rest::grow::Grow>(),
        entry::<rest::losses::Losses>(),
        entry::<rest::best_of_n::BestOfN>(),
        entry::<rest::proxy_gold::ProxyGold>(),
        entry::<rest::online::Online>(),
        entry::<rest::filters::Filters>(),
        entry::<rest::selection_control::SelectionControl>(),
        entry::<process_supervision::information::Information>(),
        entry::<process_supervision::best_of_n::BestOfN>(),
        entry::<process_supervision::supervision::Supervision>(),
        entry::<process_supervision::active_learning::ActiveLearning>(),
        entry::<process_supervision::iterations::Iterations>(),
        entry::<process_supervision::scoring::Scoring>(),
        entry::<process_supervision::out_of_distribution::OutOfDistribution>(),
        entry::<process_supervision::difficulty::Difficulty>(),
        entry::<process_supervision::step_values::StepValues>(),
        entry::<process_supervision::first_error::FirstError>(),
        entry::<process_supervision::alignment_tax::AlignmentTax>(),
        entry::<weak_to_strong::misfit::Misfit>(),
        entry::<weak_to_strong::expansion::Expansion>(),
        entry::<weak_to_strong::overlap::Overlap>(),
        entry::<weak_to_strong::transition::Transition>(),
        entry::<weak_to_strong::simulation::Simulation>(),
        entry::<weak_to_strong::error_structure::ErrorStructure>(),
        entry::<weak_to_strong::trivial_imitation::TrivialImitation>(),
        entry::<weak_to_strong::bootstrapping::Bootstrapping>(),
        entry::<weak_to_strong::confidence::Confidence>(),
        entry::<weak_to_strong::overfitting::Overfitting>(),
        entry::<weak_to_strong::agreement::Agreement>(),
        entry::<weak_to_strong::tasks::Tasks>(),
        entry::<weak_to_strong::probes::Probes>(),
        entry::<weak_to_strong::prompting::Prompting>(),
        entry::<weak_to_strong::chess::ChessPuzzles>(),
        entry::<weak_to_strong::easy_to_hard::EasyToHard>(),
        entry::<weak_to_strong::images::Images>(),
        entry::<weak_to_strong::methods::Methods>(),
        entry::<weak_to_strong::saliency::Saliency>(),
        entry::<weak_to_strong::reward_modelling::RewardModelling>(),
        entry::<weak_to_strong::generative::Generative>(),
        entry::<real_models::preflight_calibration::PreflightCalibration>(),
        entry::<real_models::vanishing::Vanishing>(),
        entry::<real_models::frontier::Frontier>(),
        entry::<real_models::rest_translation::RestTranslation>(),
        entry::<real_models::process::Process>(),
        entry::<real_models::weak_to_strong::WeakToStrong>(),
        entry::<real_models::transfer::Transfer>(),
    ]
}

/// The files beside this one, as they were when the program was built: its site shows them.
#[derive(RustEmbed)]
#[folder = "experiments/"]
#[include = "*.rs"]
struct Files;

fn sources() -> Sources {
    let file = |path: std::borrow::Cow<'static, str>| {
        let text = Files::get(&path).map(|f| String::from_utf8_lossy(&f.data).into_owned())?;
        Some((path.into_owned(), text))
    };
    Files::iter().filter_map(file).collect()
}

fn main() -> ExitCode {
    rewardlab::cli::main(&registry(), sources)
}
