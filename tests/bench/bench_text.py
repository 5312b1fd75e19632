"""The rule pipeline against EDS-NLP's equal components: thousand characters per CPU-second, each on notes in its own language, one run.

Ours: sections, a dictionary of 100,000 terms, assertion, quantities and times (with the sentences and clauses they stand on), as spaCy
documents and as plain records. EDS-NLP: eds.normalizer, eds.sentences, eds.sections, eds.matcher with 100,000 terms, eds.negation,
eds.family, eds.hypothesis, eds.quantities and eds.dates. Its French notes are written for this file; the same pipeline
is also run over our
Chinese notes, which its rules do not know. Notes: the synthetic hospital's, and CCKS where it lies beside the checkout. The last part
streams 200,000 notes and looks at the growth of memory. Exit code 1 below 300 kchar per CPU-second or twice EDS-NLP's speed.
"""

import itertools
import json
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import nlp
from nlp.dictionary import Dictionary, Term, base_dictionary
from workbench.synthetic import generate

TERMS, STREAMED, WARM_UP = 100_000, 200_000, 40
WANTED_SPEED, WANTED_RATIO, WANTED_GROWTH_MB = 300, 2, 30
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "text"
COMPONENTS = ["normalise", "documents", "sections", "sentences", "clauses", "dictionary", "quantities", "times", "assertion"]

FRENCH = [
    """COMPTE RENDU D'HOSPITALISATION

Motif d'hospitalisation : dyspnée d'aggravation progressive depuis 5 jours.

Antécédents : hypertension artérielle traitée depuis 2008, diabète de type 2 depuis 12 ans, appendicectomie en 1985. Pas d'antécédent
d'infarctus. Père décédé d'un cancer du poumon à 67 ans. Tabagisme sevré à 30 paquets-années.

Histoire de la maladie : patient de 71 ans admis le 12 mars 2021 pour dyspnée stade III de la NYHA avec orthopnée. Pas
de douleur thoracique,
pas de fièvre. Le 10 mars, consultation chez son médecin traitant qui suspecte une décompensation cardiaque.

Examen clinique : poids 82 kg, taille 1,74 m, TA 165/95 mmHg, FC 104 bpm, SpO2 91 % en air ambiant. Crépitants bilatéraux, oedèmes des
membres inférieurs. Pas de signe de phlébite. Abdomen souple, indolore.

Examens complémentaires : NT-proBNP 4520 ng/L, créatinine 112 µmol/L, Hb 12,4 g/dL, CRP 8 mg/L, kaliémie 4,1 mmol/L. Radiographie :
cardiomégalie, syndrome interstitiel. ETT : FEVG 38 %, pas d'épanchement péricardique.

Évolution : traitement par furosémide 80 mg par jour, bonne évolution. Coronarographie le 18/03/2021 sans lésion significative.

Conclusion : décompensation cardiaque globale sur cardiopathie hypertensive probable. Sortie le 20/03/2021.
""",
    """Compte rendu de consultation de pneumologie du 4 février 2022

Motif de consultation : bilan d'un nodule pulmonaire du lobe supérieur droit.

Antécédents médicaux : BPCO stade II, asthme dans l'enfance. Allergie à la pénicilline. Mère : cancer du sein.

Examen : patient eupnéique, auscultation libre. Pas d'adénopathie cervicale. Pas d'hippocratisme digital.

Scanner thoracique du 20 janvier 2022 : nodule spiculé de 14 mm, absence d'adénopathie médiastinale, pas d'épanchement pleural.
EFR : VEMS 1,82 L soit 68 % de la théorique.

Conclusion : nodule suspect, un cancer bronchique ne peut être exclu. TEP scanner demandé. Revoir dans 3 semaines.
""",
    """COMPTE RENDU OPERATOIRE

Date de l'intervention : 15/09/2020. Indication : lithiase vésiculaire symptomatique avec deux épisodes de colique hépatique.
Installation en décubitus dorsal. Anesthésie générale. Introduction de 4 trocarts. Exploration : pas d'ascite, foie d'aspect normal.
Vésicule à paroi épaissie de 5 mm. Dissection du triangle de Calot, clip sur l'artère cystique et le canal cystique.
Pas de plaie biliaire.
Saignement estimé à 50 mL. Durée 55 minutes. Suites simples, sortie à J1 sans fièvre ni douleur.
Anatomopathologie : cholécystite chronique, absence de dysplasie.
""",
    """Service des urgences - passage du 03/11/2021 à 14h20

Motif : chute mécanique à domicile, sans perte de connaissance, sans traumatisme crânien.
Antécédents : fibrillation auriculaire sous apixaban, ostéoporose, prothèse totale de hanche gauche en 2015.
Traitement habituel : apixaban 2,5 mg x 2, bisoprolol 5 mg, calcium.
Examen clinique : TA 142/78 mmHg, température 36,8 °C, EVA 7/10. Impotence fonctionnelle du membre inférieur droit, raccourci en rotation
externe. Pas de déficit sensitivomoteur. Pouls périphériques présents.
Biologie : Hb 11,2 g/dL, plaquettes 210 G/L, INR 1,1, créatinine 78 µmol/L.
Radiographie : fracture cervicale vraie du fémur droit Garden III.
Conclusion : fracture du col fémoral droit. Hospitalisation en orthopédie, chirurgie prévue le 04/11/2021.
""",
    """Lettre de liaison

Cher confrère, votre patiente, âgée de 58 ans, a été hospitalisée du 2 au 9 juin 2019 pour pneumopathie franche lobaire aiguë.
Antécédents familiaux : père diabétique, soeur atteinte d'une polyarthrite rhumatoïde. Antécédents personnels : hypothyroïdie.
Fièvre à 39,4 °C depuis 48 heures, toux grasse, douleur basithoracique droite. Pas d'hémoptysie. Pas de voyage récent.
CRP 245 mg/L, leucocytes 18,3 G/L, PCT 3,2 ng/mL, lactates 1,4 mmol/L. Antigénurie pneumocoque positive, légionelle négative.
Traitement par amoxicilline 3 g par jour pendant 7 jours. Apyrexie en 24 heures. Pas de complication. Pas d'argument pour une tuberculose.
Contrôle radiologique à faire dans 6 semaines. Vaccination antipneumococcique conseillée.
""",
    """IRM CEREBRALE du 22 août 2022

Indication : céphalées inhabituelles depuis un mois, recherche de processus expansif.
Technique : séquences T1, T2 FLAIR, diffusion, T2*, angio-IRM, sans et après injection de 15 mL de gadolinium.
Résultats : absence de lésion ischémique récente. Pas de saignement. Quelques hypersignaux de la substance blanche non spécifiques.
Ventricules de taille normale. Lésion extra-axiale frontale gauche de 18 x 15 mm, rehaussée de façon homogène. Pas d'oedème.
Polygone de Willis perméable, pas d'anévrysme.
Conclusion : aspect évocateur d'un méningiome frontal gauche. Avis neurochirurgical souhaitable.
""",
    """Compte rendu d'anatomopathologie

Renseignements cliniques : nodule du sein droit classé ACR 5. Prélèvements : 4 carottes biopsiques de 12 mm.
Macroscopie : fragments blanchâtres fermes. Microscopie : carcinome infiltrant de type non spécifique, grade 2 de SBR.
Pas d'embole vasculaire
vu. Absence de carcinome in situ. Récepteurs aux oestrogènes 90 %, progestérone 60 %, HER2 score 1+, Ki67 à 20 %.
Conclusion : carcinome mammaire infiltrant NST grade II, RH positifs, HER2 négatif.
""",
    """Compte rendu de passage en néphrologie, le 17 octobre 2020

Histoire de la maladie : insuffisance rénale chronique stade 4 sur néphropathie diabétique probable, suivie depuis 2014.
Mode de vie : vit avec son épouse, autonome. Ne fume plus depuis 10 ans. Oncle dialysé.
Examen clinique : TA 150/85 mmHg, poids 76,5 kg, oedèmes discrets. Pas de souffle vasculaire.
Biologie du 10 octobre : créatinine 265 µmol/L, DFG 21 mL/min, Hb 10,4 g/dL, ferritine 85 µg/L, PTH 182 ng/L, protéinurie 2,1 g/24h.
Conclusion : aggravation modérée. Pas d'indication de dialyse actuellement. Discuter une fistule artério-veineuse d'ici 6 mois.
""",
]
FRENCH_NOUNS = (
    "fracture douleur lésion tumeur infection carcinome sténose thrombose inflammation nécrose hémorragie "
    "dysplasie atteinte insuffisance syndrome ulcère kyste abcès polype adénome épanchement oedème "
    "hématome anévrysme fibrose calcification perforation occlusion rupture luxation"
)
FRENCH_SITES = (
    "pulmonaire cardiaque hépatique rénale cérébrale gastrique colique fémorale frontale pariétale "
    "mammaire cutanée osseuse vasculaire pleurale pancréatique splénique vésicale utérine ovarienne "
    "prostatique thyroïdienne cervicale lombaire thoracique abdominale oculaire auriculaire"
)
FRENCH_WAYS = "aiguë chronique récidivante sévère modérée droite gauche bilatérale diffuse primitive secondaire bénigne maligne stade"
FRENCH_KNOWN = [
    "hypertension artérielle",
    "diabète",
    "fièvre",
    "BPCO",
    "cancer",
    "dyspnée",
    "pneumopathie",
    "méningiome",
    "ascite",
    "nodule",
    "douleur",
]


def main() -> int:
    warnings.filterwarnings("ignore")
    ours, chinese = our_notes()
    language = our_language()
    records = speed(lambda notes: nlp.read(language, notes), ours)
    documents = speed(language.pipe, ours)
    print(f"rule pipeline, {TERMS:,} terms, {chinese}: {records:.0f} kchar/CPU-s as records, {documents:.0f} as spaCy documents")
    theirs = edsnlp_language()
    french = list(itertools.islice(itertools.cycle(FRENCH), 240))
    on_french, on_chinese = speed(theirs.pipe, french), speed(theirs.pipe, ours[:240])
    print(f"EDS-NLP, {TERMS:,} terms: {on_french:.0f} kchar/CPU-s on French notes, {on_chinese:.0f} on the Chinese ones")
    print(f"ratio {documents / on_french:.1f} as spaCy documents, {records / on_french:.1f} as records (wanted {WANTED_RATIO})")
    growth = grown(language, ours)
    print(f"memory: {growth:.1f} MB more at the end of {STREAMED:,} notes than at a tenth of them (wanted below {WANTED_GROWTH_MB})")
    return 0 if records >= WANTED_SPEED and documents / on_french >= WANTED_RATIO and growth < WANTED_GROWTH_MB else 1


def our_notes() -> tuple[list[str], str]:
    path = SHARED / "ccks2019" / "notes_800.jsonl"
    synthetic = next(generate(60, 4, progress=False))["note"].column("note_text").to_pylist()
    if not path.exists():
        return synthetic, f"{len(synthetic)} synthetic notes"
    real = [json.loads(line)["originalText"] for line in path.read_text(encoding="utf-8").splitlines()]
    notes = [note for pair in zip(real, synthetic, strict=False) for note in pair]
    return notes, f"{len(notes)} notes, half CCKS-2019, half synthetic"


def our_language() -> object:
    """The base dictionary, grown to 100,000 terms by prefixes and endings, so that many are found and many are not."""
    known = base_dictionary().terms
    ways = (
        "急性",
        "慢性",
        "左侧",
        "右侧",
        "双侧",
        "复发性",
        "重度",
        "轻度",
        "术后",
        "原发性",
        "继发性",
        "陈旧性",
        "多发",
        "疑似",
        "先天性",
        "弥漫性",
    )
    tails = ("", "复查", "术后", "改变", "可能", "待查", "史", "伴出血", "并感染")
    grown_terms = (Term(f"{way}{term.term}{tail}", term.label) for way in ways for tail in tails for term in known)
    dictionary = Dictionary(itertools.islice(itertools.chain(known, grown_terms), TERMS), name="bench")
    return nlp.load(components=COMPONENTS, options={"dictionary": {"dictionary": dictionary}})


def edsnlp_language() -> object:
    import edsnlp
    import edsnlp.pipes as eds

    terms = [" ".join(words) for words in itertools.product(FRENCH_NOUNS.split(), FRENCH_SITES.split(), FRENCH_WAYS.split())]
    terms += [f"{term} {number}" for number in range(1, 10) for term in terms]
    language = edsnlp.blank("eds")
    language.add_pipe(eds.normalizer())
    language.add_pipe(eds.sentences())
    language.add_pipe(eds.sections())
    language.add_pipe(eds.matcher(terms={"finding": FRENCH_KNOWN + terms[: TERMS - len(FRENCH_KNOWN)]}, attr="NORM"))
    for pipe in (eds.negation(), eds.family(), eds.hypothesis(), eds.quantities(quantities="all", extract_ranges=True), eds.dates()):
        language.add_pipe(pipe)
    return language


def speed(run: Callable[[Iterable[str]], Iterable], notes: list[str]) -> float:
    """Characters that come out per CPU-second, in thousands, once everything is warm."""
    for _ in run(notes[:WARM_UP]):
        pass
    begun = time.process_time()
    for _ in run(notes):
        pass
    return sum(map(len, notes)) / (time.process_time() - begun) / 1000


def grown(language: object, notes: list[str]) -> float:
    """Stream short notes and return how many MB the peak grew after the first tenth."""
    short = [note[:80] for note in notes]

    def stream() -> Iterator[str]:
        for number in range(STREAMED):
            yield f"{number} {short[number % len(short)]}"

    early = 0.0
    for number, _ in enumerate(nlp.read(language, stream())):
        if number == STREAMED // 10:
            early = peak_mb()
    return peak_mb() - early


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
