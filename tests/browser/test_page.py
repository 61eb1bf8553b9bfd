"""The page at / in Debian's Chromium: it shows a job reaching `succeeded` by itself, with its download link."""

import json
import os
import urllib.request

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import sentences


@pytest.fixture
def browser(tmp_path):
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--disable-dev-shm-usage", f"--user-data-dir={tmp_path / 'profile'}",
                     "--window-size=1280,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Driver("/usr/bin/chromedriver", log_output=os.devnull))
    yield driver
    driver.quit()


def wait(browser, seconds, condition, what):
    return WebDriverWait(browser, seconds, poll_frequency=0.1).until(condition, what)


def test_a_job_is_seen_to_succeed_without_touching_the_page(make_service, browser):
    service = make_service()
    browser.get(service.url)
    wait(browser, 10, lambda b: "No jobs yet" in b.find_element(By.TAG_NAME, "main").text, "the empty page")
    assert "curl" in browser.find_element(By.TAG_NAME, "pre").text

    job = service.submit(sentences.sentences(sentences.TOPICS, 400, seed=1), "topics", epochs=3)
    row = f'tr[data-job="{job.id}"]'
    seen = []

    def succeeded(b):
        for element in b.find_elements(By.CSS_SELECTOR, row):
            status = element.get_attribute("data-status")
            if not seen or seen[-1] != status:
                seen.append(status)
            return status == "succeeded"
        return False

    wait(browser, 240, succeeded, "the job's success on the page")
    assert "running" in seen, seen
    link = wait(browser, 10, lambda b: b.find_elements(By.CSS_SELECTOR, 'article[data-task="topics"] a.download'),
                "the download link")[0]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(link.get_attribute("href"), timeout=30) as answer:
        assert answer.read(4) == b"PK\x03\x04"
    text = browser.find_element(By.CSS_SELECTOR, row).text
    accuracy = service.get("/v1/tasks/topics/versions/1")["metrics"]["valid_accuracy"]
    assert f"{accuracy * 100:.1f} %" in text

    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = {message["params"]["request"]["url"] for message in messages
                 if message["method"] == "Network.requestWillBeSent"}
    strangers = {url for url in requested if not url.startswith((service.url + "/", "data:", "chrome:"))}
    assert service.url + "/" in requested
    assert strangers == set(), "the page asks nobody but its daemon"


def test_a_daemon_that_is_gone_is_said_and_one_that_is_back_is_found(make_service, browser):
    service = make_service()
    browser.get(service.url)
    wait(browser, 10, lambda b: b.find_elements(By.TAG_NAME, "pre"), "the page")
    service.stop()
    alert = lambda b: "not reachable" in b.find_element(By.TAG_NAME, "main").text
    wait(browser, 20, alert, "the alert")
    service.listen = service.url.removeprefix("http://")
    service.start()
    wait(browser, 20, lambda b: not alert(b), "the page's recovery")


def test_training_that_is_held_up_is_said_and_its_end_is_seen(make_service, browser, losable_backbone):
    service = make_service(backbone=losable_backbone.directory)
    losable_backbone.lose()
    browser.get(service.url)
    service.submit(sentences.sentences(sentences.TOPICS, 60, seed=1), "topics", epochs=1)
    held = lambda b: "held up" in b.find_element(By.TAG_NAME, "main").text
    wait(browser, 60, held, "the words")
    assert "backbone_missing" in browser.find_element(By.CSS_SELECTOR, "p.trouble").text
    losable_backbone.bring_back()
    wait(browser, 120, lambda b: not held(b) and b.find_elements(By.CSS_SELECTOR, 'tr[data-status="succeeded"]'),
         "the job's success")


def test_a_key_is_asked_for_where_keys_are_required(make_service, browser):
    service = make_service("--auth", "required")
    key = service.command("keys", "create", "ada").split("graft_")[1].split()[0]
    browser.get(service.url)
    field = wait(browser, 10, lambda b: b.find_elements(By.ID, "key"), "the question")[0]
    field.send_keys("graft_wrong\n")
    wait(browser, 10, lambda b: b.find_elements(By.ID, "key-problem"), "the refusal")
    field = browser.find_element(By.ID, "key")
    field.clear()
    field.send_keys(f"graft_{key}\n")
    wait(browser, 10, lambda b: "No jobs yet" in b.find_element(By.TAG_NAME, "main").text, "the page")
