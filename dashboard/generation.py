"""Generation: the blocks of the Generate page that choose: servers, models, terms, the price, answers from a file.

Keys are never typed, shown or stored here: a run is told the name of the environment variable that holds one.
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import streamlit as st

from dashboard import model_tables, preview, services, tables, widgets
from pipeline import estimates, languages
from pipeline.adapters.endpoints import PRESETS, Preset
from pipeline.adapters.language_detector import detect
from pipeline.commands import endpoint_of
from pipeline.errors import EndpointError, PipelineError
from pipeline.families import are_related
from pipeline.judge import CHOICE, RATING, STYLES
from pipeline.records import HUMAN, DocumentKind, Endpoint, Project, Prompt
from pipeline.terms import VARIABLE, check_terms
from pipeline.tongues import code_of, is_alike, name_of

OTHER = "Another address"
EACH, ALL = "one", "all"
SHARES = {EACH: "Each prompt goes to one of them, drawn at random", ALL: "Each model answers every prompt"}
STYLE_WORDS = {RATING: "Rate each answer from 1 to 5", CHOICE: "Choose the better answer"}


def ask_for_endpoints(project: Project, purpose: str, *, most: int | None = None) -> list[Endpoint]:
    """Let the visitor choose a server, models and terms; none while something is missing, with what it is.

    `purpose` is `generate` or `judge` and keeps the two forms of the page apart; `most` limits the models. What the
    project's last run for the purpose was given stands there already.
    """
    last = _last_endpoint(project, purpose)
    base_url, usual_key = _ask_for_server(purpose, last.base_url if last else "")
    if not base_url:
        return []
    known = last if last and last.base_url == base_url else None
    api_key_env = _ask_for_key_variable(purpose, known.api_key_env if known else usual_key, base_url)
    if api_key_env is None:
        return []
    models = _ask_for_models(purpose, base_url, api_key_env, most, known.model if known else "")
    return _ask_for_terms(purpose, models, base_url, api_key_env, known) if models else []


def _last_endpoint(project: Project, purpose: str) -> Endpoint | None:
    """The server, model and terms of the project's newest run for this purpose."""
    commands = (job.command for job in services.studio().store.jobs(project.name) if job.kind == purpose)
    return next((endpoint_of(command) for command in commands), None)


def _ask_for_server(purpose: str, last_url: str) -> tuple[str, str]:
    """Address of the server, and the variable its key is usually kept in."""
    found = {
        f"{server.name}, running on this computer": Preset(name=server.name, base_url=server.base_url)
        for server in services.local_servers()
    }
    known = {preset.name: preset for preset in PRESETS}
    choices = found | known | {OTHER: Preset(name=OTHER, base_url="", example="http://localhost:8000/v1")}
    last = next((name for name, preset in choices.items() if preset.base_url == last_url), OTHER) if last_url else None
    if not found and not last:
        st.info(
            "No model server was found on this computer. Start one (for example Ollama), choose a hosted service, "
            "or import answers that were made elsewhere."
        )
        _offer_to_look_again(purpose)
    chosen = st.selectbox(
        "Where does the model run?",
        list(choices),
        index=list(choices).index(last) if last else 0 if found else None,
        placeholder="Choose a server or a service",
        key=f"{purpose}-server",
    )
    if chosen is None:
        return "", ""
    preset = choices[chosen]
    key = f"{purpose}-address-{chosen}"
    usual_url = last_url if chosen == OTHER == last else preset.base_url
    typed = st.text_input("Address", value=usual_url, key=key, placeholder=preset.example)
    return (typed or "").strip(), preset.api_key_env


def _offer_to_look_again(purpose: str) -> None:
    if st.button("Look again", key=f"{purpose}-look-again"):
        services.local_servers.clear()
        st.rerun()


def _ask_for_key_variable(purpose: str, usual: str, base_url: str) -> str | None:
    """Name of the variable with the key, empty for none; None while what is typed cannot be used."""
    name = st.text_input(
        "Name of the environment variable that holds the key",
        value=usual,
        key=f"{purpose}-key-{base_url}",
        placeholder="none needed",
        help="The name only, such as HF_TOKEN. A key itself is never typed into this page, stored, or logged.",
    )
    name = (name or "").strip()
    if not name:
        return ""
    if not VARIABLE.fullmatch(name):
        st.error("This is not the name of a variable. Give its name in capitals, such as HF\\_TOKEN, never the key itself.")
        return None
    try:
        services.studio().check_key(name, base_url)
    except EndpointError as error:
        widgets.error_box(error)
        return None
    if not os.environ.get(name):
        st.warning(
            f"The variable {widgets.plain(name)} is not set. Set it to your key, or write it into `.streamlit/secrets.toml`, "
            "then start this program again."
        )
        return None
    return name


def _ask_for_models(purpose: str, base_url: str, api_key_env: str, most: int | None, last: str) -> list[str]:
    """The models' ids: from the server's list where it keeps one, else typed."""
    try:
        offered = list(services.models(base_url, api_key_env))
    except EndpointError as error:
        widgets.error_box(error)
        return []
    chosen = st.multiselect(
        "Models" if most is None else "Model",
        offered,
        default=[last] if last in offered else offered[:1],
        max_selections=most,
        accept_new_options=True,
        placeholder="Choose, or type a name as the server lists it",
        key=f"{purpose}-models-{base_url}",
    )
    models = [model.strip() for model in chosen if model.strip()]
    unknown = [model for model in models if offered and model not in offered]
    if unknown:
        st.warning(
            widgets.plain(
                f"The server's list does not name {', '.join(unknown)}. Try a few prompts first, or look at the spelling."
            )
        )
    return models


def _ask_for_terms(purpose: str, models: list[str], base_url: str, api_key_env: str, last: Endpoint | None) -> list[Endpoint]:
    """Prices of each model, budget, pace and parameters; none while they make no sense."""
    key = f"{purpose}-{base_url}"
    usual = last or Endpoint(model="", base_url="", concurrency=16 if api_key_env else 4)
    with st.expander("Price, budget, pace and parameters", expanded=bool(api_key_env)):
        priced = [_ask_for_price(key, Endpoint(model=model, base_url=base_url, api_key_env=api_key_env)) for model in models]
        left, middle, right = st.columns(3)
        budget = left.number_input(
            "Budget for this project, US dollars",
            min_value=0.0,
            value=usual.budget_usd,
            format="%g",
            key=f"budget-{key}",
            help="The run ends before more than this is spent; what earlier runs of the project spent counts.",
        )
        concurrency = middle.number_input(
            "Requests at once", min_value=1, max_value=512, value=usual.concurrency, key=f"pace-{key}"
        )
        longest = right.number_input("Longest answer, tokens", min_value=1, value=usual.max_tokens, key=f"longest-{key}")
        temperature = left.number_input(
            "Temperature (empty: the server's own)",
            min_value=0.0,
            max_value=2.0,
            value=usual.temperature,
            key=f"temperature-{key}",
        )
    try:
        for endpoint in priced:
            check_terms(replace(endpoint, budget_usd=budget))
    except PipelineError as error:
        widgets.error_box(error)
        return []
    return [
        replace(one, budget_usd=budget, concurrency=int(concurrency), max_tokens=int(longest), temperature=temperature)
        for one in priced
    ]


def _ask_for_price(key: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint with its prices, which begin as this workspace or the shipped list knows them."""
    known = services.studio().price_of(endpoint.model, endpoint.base_url)
    left, right = st.columns(2)
    name = widgets.plain(endpoint.model)
    label = f"{name}: US dollars for a million tokens"
    key = f"{endpoint.model}-{key}"
    price_in = left.number_input(
        f"{label} read", min_value=0.0, value=known.price_in if known else None, format="%.3f", key=f"price-in-{key}"
    )
    price_out = right.number_input(
        f"{label} written", min_value=0.0, value=known.price_out if known else None, format="%.3f", key=f"price-out-{key}"
    )
    if known:
        st.caption(widgets.plain(f"{known.source}, {known.as_of}. Prices move: look at the provider's page."))
    return replace(endpoint, price_in=price_in, price_out=price_out)


def edit_system_prompt(project: Project) -> str:
    """Show what the model is told before each prompt, to be changed; return the text."""
    _, saved = services.studio().store.document(project.name, DocumentKind.SYSTEM_PROMPT)
    spoken = languages.language_named(project.language, project.code)
    usual = languages.system_prompt(spoken)
    if not languages.has_own_system_prompt(spoken) and saved in ("", usual):
        st.info(
            widgets.plain(
                f"There is no text in {spoken.name} here yet, so this one is in English. "
                f"If you write {spoken.name}, say it in {spoken.name}: a model then keeps to the language better."
            )
        )
    text = st.text_area(
        "What the model is told before each prompt",
        value=saved or usual,
        key=f"generate-system-{project.name}",
        height=120,
        help="Each answer remembers under which version of this text it was written.",
    )
    found = detect(text)
    if text.strip() and not (found and (is_alike(found, code_of(spoken)) or found == "en")):
        said = f"seems to be in {name_of(found)}" if found else "is in no language that could be recognised"
        st.warning(
            widgets.plain(f"This text {said}, not in {project.language} or English. Look at it before you spend anything.")
        )
    return text


def offer_start(project: Project, endpoints: list[Endpoint], system_prompt: str) -> None:
    """Show what a run will take, a preview, and the button that starts a run for each model."""
    share = ALL
    if len(endpoints) > 1:
        share = st.radio("Who answers what?", list(SHARES), format_func=SHARES.__getitem__, key="generate-share")
    among = [endpoint.model for endpoint in endpoints] if share == EACH else []
    missing = {one.model: services.studio().unanswered(project.name, one.model, among) for one in endpoints}
    most = max(map(len, missing.values()))
    if not most:
        st.success(widgets.plain(f"{', '.join(missing)} answered every prompt. Choose another model for more."))
        return
    limit = st.number_input(
        "Only so many prompts for each model, for a trial (empty: all)",
        min_value=1,
        max_value=most,
        value=None,
        key="generate-limit",
    )
    answers = services.responses(project.name)
    told = [
        estimates.estimate_answers(
            missing[one.model][: int(limit) if limit else None],
            system_prompt,
            one,
            measured=answers[answers["source"] == one.model],
        )
        for one in endpoints
    ]
    _show_estimate(told, "Answers to ask for")
    for one in endpoints:
        _warn_of_long_prompts(one, missing[one.model], system_prompt)
    preview.offer(project, endpoints, system_prompt, among)
    if not st.button(f"Start: ask for {sum(one.requests for one in told):,} answers", type="primary", key="generate-start"):
        return
    services.studio().store.save_document(project.name, DocumentKind.SYSTEM_PROMPT, system_prompt)
    _start("generate", project, endpoints, limit=int(limit) if limit else None, among=among)


def _warn_of_long_prompts(endpoint: Endpoint, prompts: list[Prompt], system_prompt: str) -> None:
    """Say which prompts cannot fit into the model's context, where its server tells how long that is."""
    context = services.context_tokens(endpoint.base_url, endpoint.api_key_env, endpoint.model)
    if context is None:
        return
    long = estimates.surely_too_long(prompts, system_prompt, context_tokens=context)
    if long:
        text = (
            f"{len(long):,} prompts are longer than {endpoint.model} can read ({context:,} tokens), and will fail. "
            "They cost nothing; another model may answer them."
        )
        st.warning(widgets.plain(text))
        widgets.text_card("The first of them begins", long[0].text[:300])


def _start(
    kind: str, project: Project, endpoints: list[Endpoint], *, limit: int | None, among: list[str] | None = None, style: str = ""
) -> None:
    """Start a run for each model; what cannot start is said."""
    for number, endpoint in enumerate(endpoints):
        try:
            services.studio().start(kind, project.name, endpoint, limit=limit, among=among or [], style=style)
        except PipelineError as error:
            if number:
                st.info(
                    widgets.plain(f"{', '.join(one.model for one in endpoints[:number])} has been started; reload to follow.")
                )
            widgets.error_box(error)
            return
    st.toast("Started. How far it is stands at the top of this page.")
    st.rerun()


def offer_judging(project: Project, endpoints: list[Endpoint]) -> None:
    """Show what judging will take, and the button that starts it."""
    pairs = services.pairs(project.name)
    if pairs.empty:
        st.write("There is no pair yet. Let a model write the second answers first.")
        return
    style = st.radio("How does it judge?", STYLES, format_func=STYLE_WORDS.__getitem__, key="judge-style")
    sources = sorted((set(pairs["first_source"]) | set(pairs["second_source"])) - {HUMAN})
    for endpoint in endpoints:
        relatives = [source for source in sources if are_related(endpoint.model, source)]
        if relatives:
            st.error(
                widgets.plain(
                    f"{endpoint.model} is of the same family as {', '.join(relatives)}, whose answers it would judge. "
                    "Models favour their own; choose another, or know that the card will say so."
                )
            )
    set_aside = len(pairs) - len(services.open_pairs(project.name))
    if set_aside:
        count = model_tables.counted(set_aside, "pair is", "pairs are")
        st.write(f"{count} set aside and will not be judged. Once brought back, the next run judges what was.")
    left = services.unjudged(project.name, endpoints[0].model, style)
    if left.empty:
        st.success(widgets.plain(f"{endpoints[0].model} has judged every pair in this way."))
        return
    limit = st.number_input("Only so many pairs (empty: all)", min_value=1, max_value=len(left), value=None, key="judge-limit")
    chosen = left.head(int(limit)) if limit else left
    _show_estimate([estimates.estimate_verdicts(chosen, one) for one in endpoints], "Verdicts, both orders")
    if st.button(f"Start: judge {model_tables.counted(len(chosen), 'pair', 'pairs')}", type="primary", key="judge-start"):
        _start("judge", project, endpoints, limit=int(limit) if limit else None, style=style)


def _show_estimate(told: list[estimates.Estimate], counted: str) -> None:
    """What the runs take together; models at work at once take as long as the slowest."""
    known = [one.cost_usd for one in told if one.cost_usd is not None]
    ends = [sum(cost[end] for cost in known) for end in (0, 1)]
    low, high = (sum(one.tokens_in[end] + one.tokens_out[end] for one in told) for end in (0, 1))
    seconds = [max(one.seconds[end] for one in told) for end in (0, 1)]
    is_priced = len(known) == len(told)
    numbers = {
        counted: f"{sum(one.requests for one in told):,}",
        "Tokens": f"{low:,} to {high:,}",
        "Price": f"{tables.money(ends[0])} to {tables.money(ends[1])}" if is_priced else "not known",
        "Time": f"{model_tables.duration(seconds[0])} to {model_tables.duration(seconds[1])}",
    }
    with st.container(horizontal=True):
        for label, value in numbers.items():
            st.metric(label, value, width="content")
    said = "A rough estimate from the length of the texts; the run itself counts what the server reports."
    if not is_priced:
        said += " For a price, type what a million tokens cost under *Price, budget, pace and parameters*."
    st.caption(said)


def import_answers(project: Project) -> None:
    """Take in a file of answers that were made elsewhere."""
    st.write(
        "A JSONL or Parquet file with the columns prompt (or prompt\\_id), response and model. "
        "Importing the same file again adds nothing."
    )
    upload = st.file_uploader("File with answers", type=["jsonl", "parquet"], key="generate-upload")
    if upload is None or not st.button("Import", type="primary", key="generate-import"):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"answers{Path(upload.name).suffix.lower()}"
        path.write_bytes(upload.getvalue())
        try:
            told = services.studio().import_responses(project.name, path)
        except PipelineError as error:
            widgets.error_box(error)
            return
    left_out = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in told["excluded"].items())
    st.success(
        widgets.plain(
            f"{told['stored']:,} answers taken in, {told['already_stored']:,} were there before."
            + (f" Left out: {left_out}." if left_out else "")
        )
    )
