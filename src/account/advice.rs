//! What people are told about a password that is refused, in their language.

use super::policy::{WeakPassword, Weakness};
use crate::page::Text;
use zxcvbn::feedback::{Suggestion, Warning};

impl WeakPassword {
    /// What is wrong and what would help, sentence by sentence.
    pub fn texts(&self) -> Vec<Text> {
        let rule = match self.weakness {
            Weakness::Length => "password-weak-length",
            Weakness::ControlCharacters => "password-weak-control",
            Weakness::Guessable => "password-weak-guessable",
            Weakness::SameAsBefore => "password-weak-same",
        };
        let warning = self.feedback.iter().filter_map(|feedback| feedback.warning());
        let suggestions = self.feedback.iter().flat_map(|feedback| feedback.suggestions());
        std::iter::once(rule)
            .chain(warning.map(warned))
            .chain(suggestions.map(|suggestion| suggested(*suggestion)))
            .map(Text::new)
            .collect()
    }
}

const fn warned(warning: Warning) -> &'static str {
    match warning {
        Warning::StraightRowsOfKeysAreEasyToGuess => "password-row-of-keys",
        Warning::ShortKeyboardPatternsAreEasyToGuess => "password-key-pattern",
        Warning::RepeatsLikeAaaAreEasyToGuess => "password-repeated-letter",
        Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess => "password-repeated-part",
        Warning::ThisIsATop10Password => "password-top-10",
        Warning::ThisIsATop100Password => "password-top-100",
        Warning::ThisIsACommonPassword => "password-common",
        Warning::ThisIsSimilarToACommonlyUsedPassword => "password-similar-to-common",
        Warning::SequencesLikeAbcAreEasyToGuess => "password-sequence",
        Warning::RecentYearsAreEasyToGuess => "password-recent-year",
        Warning::AWordByItselfIsEasyToGuess => "password-single-word",
        Warning::DatesAreOftenEasyToGuess => "password-date",
        Warning::NamesAndSurnamesByThemselvesAreEasyToGuess => "password-name",
        Warning::CommonNamesAndSurnamesAreEasyToGuess => "password-common-name",
    }
}

const fn suggested(suggestion: Suggestion) -> &'static str {
    match suggestion {
        Suggestion::UseAFewWordsAvoidCommonPhrases => "password-use-words",
        Suggestion::NoNeedForSymbolsDigitsOrUppercaseLetters => "password-no-need-for-symbols",
        Suggestion::AddAnotherWordOrTwo => "password-add-word",
        Suggestion::CapitalizationDoesntHelpVeryMuch => "password-capitals-help-little",
        Suggestion::AllUppercaseIsAlmostAsEasyToGuessAsAllLowercase => "password-all-capitals",
        Suggestion::ReversedWordsArentMuchHarderToGuess => "password-reversed",
        Suggestion::PredictableSubstitutionsDontHelpVeryMuch => "password-substitution",
        Suggestion::UseALongerKeyboardPatternWithMoreTurns => "password-longer-pattern",
        Suggestion::AvoidRepeatedWordsAndCharacters => "password-avoid-repeats",
        Suggestion::AvoidSequences => "password-avoid-sequences",
        Suggestion::AvoidRecentYears => "password-avoid-recent-years",
        Suggestion::AvoidYearsThatAreAssociatedWithYou => "password-avoid-own-years",
        Suggestion::AvoidDatesAndYearsThatAreAssociatedWithYou => "password-avoid-own-dates",
    }
}
