//! Special categories of personal data (GDPR art. 9): words that say something about the person who is spoken of.
//!
//! Lists of whole words, kept short on purpose: a word that mostly means something else (a church as a building, a party
//! as a feast, a sick joke) is not in them. So a sentence can say such a thing without being found, and a text about a
//! hospital's opening hours is not stopped.

use std::sync::LazyLock;

use regex::Regex;

use super::{Confidence::Likely, Kind, Span};

/// Whole words by kind, in four languages; `*` stands for any ending.
const WORDS: &[(Kind, &str)] = &[
    (
        Kind::Health,
        "diabetes diabetic hiv aids cancer leukaemia leukemia chemotherapy chemo epilepsy epileptic schizophrenia \
         schizophrenic bipolar alzheimer* dementia parkinson* hepatitis tuberculosis pregnant pregnancy miscarriage abortion \
         antidepressants insulin dialysis tumour tumor stroke-survivor autistic autism adhd anorexia bulimia \
         multiple_sclerosis heart_attack mental_illness psychiatric burnout_diagnosis my_diagnosis depressed_since \
         suffer_from_depression diagnosed_with disability_pension wheelchair_user \
         diabète diabétique séropositif* séropositiv* vih sida leucémie chimiothérapie épilepsie épileptique \
         schizophrénie schizophrène bipolaire démence hépatite tuberculose enceinte grossesse fausse_couche ivg \
         antidépresseur* insuline dialyse tumeur* autiste autisme tdah anorexie boulimie sclérose_en_plaques \
         crise_cardiaque maladie_mentale mon_diagnostic diagnostiqué* reconnaissance_de_handicap arrêt_maladie \
         diabetiker* zuckerkrank* krebs krebskrank* krebserkrankung leukämie chemotherapie epilepsie epileptiker* \
         schizophrenie schizophren* demenz tuberkulose schwanger* schwangerschaft fehlgeburt abtreibung antidepressiva \
         dialysepatient* tumor* autist* autismus adhs magersucht bulimie multiple_sklerose herzinfarkt psychisch_krank* \
         psychiatrie schwerbehindert* schwerbehinderung krankschreibung krankgeschrieben* meine_diagnose \
         diabético diabética seropositiv* cáncer leucemia quimioterapia epilepsia epiléptic* esquizofrenia \
         esquizofrénic* demencia tuberculosis embarazada embarazo aborto antidepresiv* insulina diálisis autista* \
         tdah esclerosis_múltiple infarto enfermedad_mental mi_diagnóstico diagnosticad* baja_médica discapacidad",
    ),
    (
        Kind::Religion,
        "catholic catholics protestant protestants muslim muslims jewish jews buddhist buddhists hindu hindus sikh sikhs \
         atheist atheists jehovah* mormon mormons evangelical baptised my_faith my_religion \
         catholique* protestant protestante musulman* juif juive juifs juives bouddhiste* hindoue athée* témoin_de_jéhovah \
         ma_religion ma_foi baptisé* \
         katholisch* katholik* evangelisch* protestantisch* muslimisch* muslim* moslem* jüdisch* jude jüdin juden \
         buddhistisch* buddhist* hinduistisch* atheist* zeuge_jehovas zeugin_jehovas mein_glaube meine_religion konfession \
         católic* protestantes musulmán musulmana musulmanes judío judía judíos budista* hindú ateo atea ateos \
         testigo_de_jehová mi_religión mi_fe",
    ),
    (
        Kind::Union,
        "trade_union trade_unionist labor_union labour_union union_member union_membership union_dues shop_steward \
         syndiqué* syndicaliste* délégué_syndical déléguée_syndicale adhérent_cgt cgt cfdt \
         gewerkschaft* gewerkschaftsmitglied* gewerkschafter* verdi-mitglied \
         sindicato* sindicalista* afiliad*_al_sindicato delegado_sindical ccoo",
    ),
    (
        Kind::Origin,
        "ethnicity ethnic_origin skin_colour skin_color mixed-race biracial roma_people gypsy \
         origine_ethnique couleur_de_peau métis métisse rom tsigane* gitan gitane \
         ethnische_herkunft hautfarbe sinti zigeuner* dunkelhäutig* \
         origen_étnico color_de_piel mestizo mestiza gitano gitana gitanos",
    ),
    (
        Kind::Orientation,
        "gay lesbian bisexual homosexual transgender transsexual sexual_orientation sex_life queer \
         homosexuel* lesbienne* bisexuel* transgenre* transsexuel* orientation_sexuelle vie_sexuelle \
         schwul schwule schwuler lesbisch* lesbe bisexuell* homosexuell* transsexuell* sexuelle_orientierung sexualleben \
         homosexuales lesbiana* bisexuales transexual* transgénero orientación_sexual vida_sexual",
    ),
    (
        Kind::Politics,
        "i_voted_for i_vote_for my_political_views political_opinion communist communists socialist_party \
         member_of_the_party party_member conservative_voter \
         j'ai_voté_pour je_vote_pour mes_opinions_politiques opinion_politique communiste* militant_du_parti \
         ich_habe_die_afd_gewählt ich_wähle_die parteimitglied* parteibuch politische_meinung politische_einstellung \
         kommunist* afd-wähler* spd-mitglied cdu-mitglied \
         voté_por voto_a mis_opiniones_políticas opinión_política comunista* militante_del_partido",
    ),
];

static PATTERNS: LazyLock<Vec<(Kind, Regex)>> = LazyLock::new(|| {
    let pattern = |words: &str| {
        let words = words.split_whitespace().map(|word| {
            regex::escape(word).replace('_', r"[\s\u{a0}]+").replace(r"\*", r"\p{L}*").replace('\'', "['’]")
        });
        let any: Vec<String> = words.collect();
        Regex::new(&format!(r"(?i)\b(?:{})\b", any.join("|"))).expect("a pattern")
    };
    WORDS.iter().map(|(kind, words)| (*kind, pattern(words))).collect()
});

pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    for (kind, pattern) in PATTERNS.iter() {
        let all = pattern.find_iter(text);
        found.extend(all.map(|at| Span { kind: *kind, confidence: Likely, start: at.start(), end: at.end() }));
    }
}
