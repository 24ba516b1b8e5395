"""Refusals: what counts as one is what stands at the start and says so; sentences written for these tests."""

import pytest

from pipeline.refusals import find_refusal
from tests.refusing import SEEN, UNMENDED

REFUSED = [
    ("en", "I’m sorry, but I can’t help with that."),
    ("en", "Unfortunately, as an AI language model, I am not able to write about this person."),
    ("en", "Thank you for your question, but I cannot provide medical advice."),
    ("en", "“Sorry!” I must decline this one."),
    ("nl", "Het spijt me, maar ik kan deze vraag niet beantwoorden."),
    ("nl", "Daar kan ik je helaas niet mee helpen."),
    ("nl", "Helaas kan ik geen antwoord geven op vragen over dit onderwerp."),
    ("nl", "Als AI-assistent, getraind door een bedrijf, ben ik niet in staat om dit te doen."),
    ("de", "Leider kann ich Ihnen bei dieser Sache nicht helfen."),
    ("fr", "Je suis désolé, mais je ne peux pas répondre à cette question."),
    ("es", "Lo siento mucho, pero no puedo ayudarte con este tema."),
    ("pt", "Infelizmente, não posso fornecer essa informação."),
    ("it", "Mi dispiace, purtroppo non sono in grado di rispondere."),
    ("sv", "Tyvärr kan jag inte svara på den frågan."),
    ("da", "Beklager, men jeg kan ikke hjælpe dig med det her."),
    ("fi", "Valitettavasti en voi auttaa tässä asiassa."),
    ("pl", "Niestety nie mogę odpowiedzieć na to pytanie."),
    ("ru", "К сожалению, я не могу вам в этом помочь."),
    ("uk", "На жаль, я не можу відповісти на це запитання."),
    ("sr", "Нажалост, не могу да одговорим на то питање."),
    ("hu", "Sajnos ebben nem tudok segíteni."),
    ("el", "Λυπάμαι, αλλά δεν μπορώ να σας βοηθήσω με αυτό."),
    ("tr", "Üzgünüm, bu konuda size yardımcı olamam."),
    ("id", "Mohon maaf, saya tidak dapat menjawab pertanyaan itu."),
    ("ms", "Maaf, saya tidak boleh membantu dalam hal ini."),
    ("tl", "Paumanhin, ngunit hindi ko masasagot ang tanong na iyan."),
    ("vi", "Rất tiếc, tôi không thể trả lời câu hỏi này."),
    ("th", "ขออภัยด้วยค่ะ ฉันไม่สามารถช่วยเรื่องนี้ได้"),
    ("ja", "申し訳ありませんが、そのご質問にはお答えできません。"),
    ("ko", "죄송하지만 그 요청은 도와드릴 수 없습니다."),
    ("zh", "很抱歉，我无法回答这个问题。"),
    ("zh-Hant", "抱歉，我無法提供這項資訊。"),
    ("ar", "عذرًا، لكنني لا أستطيع الإجابة عن هذا السؤال."),
    ("fa", "متأسفم، اما نمی‌توانم به این سؤال پاسخ بدهم."),
    ("ur", "معذرت، میں اس سوال کا جواب نہیں دے سکتا۔"),
    ("hi", "क्षमा करें, मैं इस प्रश्न का उत्तर नहीं दे सकता।"),
    ("bn", "দুঃখিত, আমি এই প্রশ্নের উত্তর দিতে পারব না।"),
    ("mr", "क्षमस्व, मी या बाबतीत मदत करू शकत नाही."),
    ("ta", "மன்னிக்கவும், இதற்கு என்னால் பதிலளிக்க முடியாது."),
    ("te", "క్షమించండి, నేను ఈ విషయంలో సహాయం చేయలేను."),
    ("ml", "ക്ഷമിക്കണം, ഇക്കാര്യത്തിൽ എനിക്ക് സഹായിക്കാൻ കഴിയില്ല."),
    ("ne", "माफ गर्नुहोस्, म यस विषयमा मद्दत गर्न सक्दिन।"),
    ("sw", "Samahani, siwezi kujibu swali hilo."),
    ("nl", "I'm sorry, but I can't assist with that request."),
]

ANSWERED = [
    ("en", "I can't help but smile when I think of that summer."),
    ("en", "I am sorry for your loss. Your grandmother was a kind woman."),
    ("en", "Sorry seems to be the hardest word, said the singer."),
    ("en", "The sign read: I'm sorry, but I cannot help with that. We laughed and drove on."),
    ("en", "As an AI language model, I see words as numbers, and that is how I can answer: forty-two."),
    ("nl", "Het spijt me dat je dit moest meemaken. Bel eerst de huisarts, en schrijf op wat er is gebeurd."),
    ("nl", "Helaas is de winkel op maandag gesloten."),
    ("nl", "Ik kan me goed voorstellen dat je daarvan schrikt."),
    ("de", "Leider regnet es in Hamburg oft; nimm einen Schirm mit."),
    ("fr", "Désolé était le premier mot de sa lettre, et le dernier."),
    ("es", "No puedo dormir sin leer antes un poco, escribió ella."),
    ("tr", "Üzgünüm demek bazen en zor sözdür."),
    ("ja", "申し訳ありませんという言葉は、ていねいな謝り方です。"),
    ("zh", "我不能相信，冬天已经过去了。"),
    ("ar", "عذرا، قال الولد لأمه ثم ضحك."),
    ("hi", "क्षमा करें, यह शब्द हम तब कहते हैं जब भूल हो जाए।"),
    ("es", "No es apropiado hablar con la boca llena."),
    ("zh", "我不能为过去的事后悔，她说。"),
    ("nl", "Sorry dat ik niet eerder schreef, ik wil je graag helpen."),
    ("nl", "Het spijt me dat je niet kunt slapen. Een warm bad kan helpen."),
    ("tr", "Özür dilerim demek kolaydır. Kimseye yardım edemem diyen de vardır."),
    ("sq", "Më vjen keq për humbjen tuaj."),
    ("ig", ""),
]


@pytest.mark.parametrize(("code", "text"), REFUSED)
def test_a_refusal_is_known_in_words_that_are_not_in_the_list_as_they_stand(code: str, text: str):
    assert find_refusal(text, code)


@pytest.mark.parametrize(("code", "text"), ANSWERED)
def test_an_apology_a_quotation_or_a_turn_of_phrase_is_no_refusal(code: str, text: str):
    assert find_refusal(text, code) == ""


@pytest.mark.parametrize("code", SEEN)
def test_refusals_the_phrases_were_mended_with_are_known_in_each_language(code: str):
    assert [text for text in SEEN[code] if not find_refusal(text, code)] == []


def test_most_refusals_whose_misses_were_left_are_known():
    known = [bool(find_refusal(text, code)) for code, texts in UNMENDED.items() for text in texts]
    assert sum(known) / len(known) >= 0.85


def test_persian_is_known_with_its_joiner_a_space_or_neither():
    for cannot in ("نمی\u200cتوانم", "نمی توانم", "نمیتوانم"):
        assert find_refusal(f"متأسفم، {cannot} به شما کمک کنم.", "fa")


def test_the_words_that_refuse_are_told_and_no_more():
    assert find_refusal("Het spijt me, maar ik kan u hierbij niet helpen. Vraag het een arts.", "nl") == (
        "het spijt me, maar ik kan u hierbij niet helpen"
    )


@pytest.mark.parametrize("text", ["as an ai " * 100, "sorry, but " * 100, "maaf " * 100, "," * 5000, "as an ai , " * 60])
def test_a_text_of_openings_alone_is_read_to_its_end(text: str):
    # A pattern that tries each way to split them would not come back.
    assert find_refusal(text, "id") == ""
